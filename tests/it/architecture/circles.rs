//! Finds circles of imports between the files of `src/`. Imports are followed through what a
//! `mod.rs` re-exports to the file that defines it; what tests at the foot of a file import does
//! not count.
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

use super::source::{Source, is_name, paths_of_uses, without_inline_modules};

/// A module's path from the top of the crate, such as `["cache", "near"]`.
type ModulePath = Vec<String>;

/// Every module of the crate.
struct Modules {
    /// The words of each, without literals, comments and inline modules.
    files: BTreeMap<ModulePath, Vec<String>>,
    /// What each file brings into its scope: the name, and the path it stands for.
    scopes: BTreeMap<ModulePath, BTreeMap<String, Vec<String>>>,
}

/// Each circle of imports as the files on it, the first one repeated at the end.
pub fn circles(sources: &[Source]) -> Vec<String> {
    let modules = Modules::read(sources);
    let imports: BTreeMap<_, _> = modules
        .files
        .iter()
        .map(|(file, words)| (file.clone(), modules.imports(file, words)))
        .collect();
    let mut search = Search {
        imports: &imports,
        done: BTreeSet::new(),
        path: Vec::new(),
        circles: Vec::new(),
    };
    for file in imports.keys() {
        search.visit(file);
    }
    search.circles
}

impl Modules {
    fn read(sources: &[Source]) -> Self {
        let files: BTreeMap<ModulePath, Vec<String>> = sources
            .iter()
            .map(|source| {
                (
                    module_path(&source.path),
                    without_inline_modules(&source.text),
                )
            })
            .collect();
        let scopes = files
            .iter()
            .map(|(file, words)| (file.clone(), paths_of_uses(words)))
            .collect();
        Self { files, scopes }
    }

    /// The files whose items the file names.
    fn imports(&self, file: &ModulePath, words: &[String]) -> BTreeSet<ModulePath> {
        let uses = self.scopes.get(file).into_iter().flat_map(BTreeMap::values);
        let inline = (0..words.len()).filter_map(|at| inline_path(words, at));
        let paths: Vec<_> = uses.cloned().chain(inline).collect();
        let defined_in = paths.iter().filter_map(|path| self.resolve(file, path, 0));
        defined_in
            .filter(|other| other != file && !self.is_module_list(other))
            .collect()
    }

    /// A module that only lists others: it imports each of them, and defines nothing.
    fn is_module_list(&self, module: &ModulePath) -> bool {
        self.files
            .keys()
            .any(|other| other.len() > module.len() && other.starts_with(module))
    }

    /// The file that defines what the path names, as seen from `from`.
    fn resolve(&self, from: &ModulePath, path: &[String], re_exports: usize) -> Option<ModulePath> {
        let mut module = from.clone();
        for (at, name) in path.iter().enumerate() {
            match name.as_str() {
                "crate" | "challenges_catalog" => module.clear(),
                "self" => {}
                "super" => drop(module.pop()),
                name => {
                    let child: ModulePath =
                        module.iter().cloned().chain([name.to_owned()]).collect();
                    if self.files.contains_key(&child) {
                        module = child;
                    } else {
                        return self.resolve_item(module, from, path.get(at..)?, re_exports);
                    }
                }
            }
        }
        Some(module)
    }

    /// The file that defines the item that `rest` begins with, which no file in `module` is named as.
    fn resolve_item(
        &self,
        module: ModulePath,
        from: &ModulePath,
        rest: &[String],
        re_exports: usize,
    ) -> Option<ModulePath> {
        let (name, behind) = rest.split_first()?;
        let aliased = self.scopes.get(&module)?.get(name);
        match aliased {
            Some(target) if self.is_module_list(&module) && re_exports < 8 => {
                let whole: Vec<_> = target.iter().chain(behind).cloned().collect();
                self.resolve(&module, &whole, re_exports + 1)
            }
            // A name from another crate, seen from the file itself.
            _ if module == *from => None,
            _ => Some(module),
        }
    }
}

/// The path that begins at a word by `crate`, `super` or `self` and is written out in the code.
fn inline_path(words: &[String], at: usize) -> Option<Vec<String>> {
    let word = |at: usize| words.get(at).map_or("", String::as_str);
    let starts = matches!(word(at), "crate" | "super" | "self" | "challenges_catalog");
    if !starts || word(at + 1) != "::" || (at > 0 && word(at - 1) == "::") {
        return None;
    }
    let mut path = vec![word(at).to_owned()];
    let mut next = at + 1;
    while word(next) == "::" && is_name(word(next + 1)) {
        path.push(word(next + 1).to_owned());
        next += 2;
    }
    Some(path)
}

fn module_path(file: &Path) -> ModulePath {
    let parts = file.with_extension("");
    let parts = parts
        .iter()
        .skip(1)
        .map(|part| part.to_string_lossy().into_owned());
    parts
        .filter(|part| part != "mod" && part != "lib")
        .collect()
}

/// A depth-first search that remembers the way it came.
struct Search<'a> {
    imports: &'a BTreeMap<ModulePath, BTreeSet<ModulePath>>,
    done: BTreeSet<&'a ModulePath>,
    path: Vec<&'a ModulePath>,
    circles: Vec<String>,
}

impl<'a> Search<'a> {
    fn visit(&mut self, file: &'a ModulePath) {
        if let Some(start) = self.path.iter().position(|on_path| *on_path == file) {
            let circle = self.path.iter().skip(start).chain([&file]);
            let names: Vec<_> = circle.map(|file| file.join("/")).collect();
            self.circles.push(names.join(" -> "));
            return;
        }
        if self.done.contains(file) {
            return;
        }
        self.path.push(file);
        for import in self.imports.get(file).into_iter().flatten() {
            self.visit(import);
        }
        self.path.pop();
        self.done.insert(file);
    }
}

fn planted(files: &[(&str, &str)]) -> Vec<String> {
    let source = |(path, text): &(&str, &str)| Source {
        path: path.into(),
        text: (*text).to_owned(),
    };
    circles(&files.iter().map(source).collect::<Vec<_>>())
}

#[test]
fn a_planted_circle_is_found_in_every_spelling() {
    for text in [
        "use super::b::B;",
        "use super::{b::{self, B}};",
        "use crate::a::b::B as C;",
        "fn f() -> super::b::B {}",
        // By way of what the list of modules re-exports.
        "use super::B;",
        "use crate::a::B;",
    ] {
        let found = planted(&[
            ("src/a/mod.rs", "mod b; mod c; pub use b::B;"),
            ("src/a/b.rs", "use super::c; pub struct B;"),
            ("src/a/c.rs", text),
        ]);
        assert_eq!(found, ["a/b -> a/c -> a/b"], "{text}");
    }
}

#[test]
fn what_tests_and_lists_of_modules_import_is_no_circle() {
    let found = planted(&[
        ("src/a/mod.rs", "mod b; mod c; pub use b::B; pub use c::C;"),
        ("src/a/b.rs", "use super::c; mod tests { use super::*; }"),
        (
            "src/a/c.rs",
            "use std::fmt; mod tests { use super::super::b::B; }",
        ),
    ]);
    assert!(found.is_empty(), "{found:?}");
}
