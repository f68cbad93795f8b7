//! Rust text as the rules see it: words without comments and literals, and the paths they form.
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    iter::Peekable,
    path::{Path, PathBuf},
};

/// One file.
pub struct Source {
    /// From the top of the repository, such as `src/cache/near.rs`.
    pub path: PathBuf,
    /// All of it.
    pub text: String,
}

impl Source {
    /// Every Rust file under a folder of the repository.
    pub fn all_under(folder: &str) -> Vec<Self> {
        let top = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut folders = vec![top.join(folder)];
        let mut sources = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let text = fs::read_to_string(&path).unwrap();
                    let path = path.strip_prefix(top).unwrap().to_owned();
                    sources.push(Self { path, text });
                }
            }
        }
        assert!(!sources.is_empty(), "no Rust under {folder}");
        sources
    }

    /// The top-level module that the file belongs to: the second part of its path.
    pub fn module(&self) -> String {
        let part = self.path.iter().nth(1).unwrap().to_str().unwrap();
        part.trim_end_matches(".rs").to_owned()
    }

    /// How many modules deep the file is: 1 for a module's own file.
    fn depth(&self) -> usize {
        self.path.iter().count() - if self.path.ends_with("mod.rs") { 2 } else { 1 }
    }

    /// What its paths start with, two names of each: `sqlx::Pool`, and `crate::cache` for every
    /// path from the top of the crate, by `crate`, by the crate's name or by enough `super`s.
    pub fn starts_of_paths(&self) -> BTreeSet<String> {
        let code = without_comments_and_literals(&self.text);
        let words = words(&code);
        let word = |at: usize| words.get(at).copied().unwrap_or_default();
        let mut starts = BTreeSet::new();
        for at in 0..words.len() {
            if !is_name(word(at)) || word(at + 1) != "::" || (at > 0 && word(at - 1) == "::") {
                continue;
            }
            let mut head = at;
            while word(head) == "super" && word(head + 1) == "::" {
                head += 2;
            }
            let supers = (head - at) / 2;
            if matches!(word(at), "crate" | "challenges_catalog") {
                head += 2;
            } else if supers == 0 {
                starts.insert(format!("{}::{}", word(at), word(at + 2)));
                continue;
            } else if supers < self.depth() {
                continue;
            }
            let heads = heads(words.get(head..).unwrap_or_default());
            starts.extend(heads.iter().map(|module| format!("crate::{module}")));
        }
        starts
    }

    /// The items that are more than a declaration of a module or a `use`.
    pub fn items_with_code(&self) -> Vec<String> {
        let code = without_comments_and_literals(&self.text);
        let words = without_attributes(&words(&code));
        let items = words.split(|word| *word == ";");
        items
            .filter(|item| !item.is_empty() && !is_declaration(item))
            .map(|item| item.join(" "))
            .collect()
    }
}

/// The words of a text without comments, literals and inline modules, which only tests are.
pub fn without_inline_modules(text: &str) -> Vec<String> {
    let code = without_comments_and_literals(text);
    let words = words(&code);
    let (mut kept, mut at) = (Vec::new(), 0);
    while let Some(word) = words.get(at) {
        let opens_module = *word == "mod" && words.get(at + 2) == Some(&"{");
        if opens_module {
            at += 2;
            let mut depth = 0;
            for word in words.iter().skip(at) {
                at += 1;
                match *word {
                    "{" => depth += 1,
                    "}" => depth -= 1,
                    _ => {}
                }
                if depth == 0 {
                    break;
                }
            }
        } else {
            kept.push((*word).to_owned());
            at += 1;
        }
    }
    kept
}

/// What the `use` items bring into scope: each name, and the path it stands for.
pub fn paths_of_uses(words: &[String]) -> BTreeMap<String, Vec<String>> {
    let mut names = BTreeMap::new();
    let mut rest = words;
    while let Some(at) = rest.iter().position(|word| word == "use") {
        rest = rest.split_at(at + 1).1;
        let end = rest.iter().position(|word| word == ";");
        let (item, after) = rest.split_at(end.unwrap_or(rest.len()));
        let mut tree = item.iter().map(String::as_str).peekable();
        read_use_tree(&mut tree, &[], &mut names);
        rest = after;
    }
    names
}

/// Reads one path or one group of paths of a `use`, up to the comma or brace behind it.
fn read_use_tree<'a>(
    words: &mut Peekable<impl Iterator<Item = &'a str>>,
    prefix: &[String],
    names: &mut BTreeMap<String, Vec<String>>,
) {
    let mut path = prefix.to_vec();
    let mut alias = None;
    while let Some(word) = words.next_if(|word| !matches!(*word, "," | "}")) {
        match word {
            "{" => {
                while words.next_if_eq(&"}").is_none() && words.peek().is_some() {
                    read_use_tree(words, &path, names);
                    words.next_if_eq(&",");
                }
                return;
            }
            "as" => alias = words.next(),
            "::" => {}
            name => path.push(name.to_owned()),
        }
    }
    if path.last().is_some_and(|last| last == "self") && path.len() > 1 {
        path.pop();
    }
    if let Some(last) = path.last() {
        names.insert(alias.unwrap_or(last).to_owned(), path);
    }
}

/// Whether the word is a name or a keyword, rather than a sign.
pub fn is_name(word: &str) -> bool {
    word.starts_with(|c: char| c.is_alphabetic() || c == '_')
}

/// The first names of a path or of a group of paths.
fn heads<'a>(words: &[&'a str]) -> Vec<&'a str> {
    let Some((first, group)) = words.split_first() else {
        return Vec::new();
    };
    if *first != "{" {
        return vec![first];
    }
    let (mut depth, mut starts_here, mut heads) = (1, true, Vec::new());
    for word in group {
        match *word {
            "{" => depth += 1,
            "}" => depth -= 1,
            "," if depth == 1 => starts_here = true,
            name if starts_here => {
                heads.push(name);
                starts_here = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    heads
}

/// `mod name` or `use …`, with any visibility.
fn is_declaration(item: &[&str]) -> bool {
    let item = match item {
        ["pub", "(", rest @ ..] => rest.splitn(2, |word| *word == ")").nth(1).unwrap_or(rest),
        ["pub", rest @ ..] => rest,
        item => item,
    };
    matches!(item, ["mod", _] | ["use", ..])
}

fn without_attributes<'a>(words: &[&'a str]) -> Vec<&'a str> {
    let (mut kept, mut depth) = (Vec::new(), 0);
    for (at, word) in words.iter().enumerate() {
        let opens = |back: usize| {
            at.checked_sub(back)
                .is_some_and(|at| words.get(at) == Some(&"#"))
        };
        match *word {
            "[" if depth > 0 || opens(1) || opens(2) => depth += 1,
            "]" if depth > 0 => depth -= 1,
            "#" => {}
            "!" if opens(1) => {}
            word if depth == 0 => kept.push(word),
            _ => {}
        }
    }
    kept
}

/// Names, `::`, and every other character by itself.
fn words(code: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = code.trim_start();
    while let Some(first) = rest.chars().next() {
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        let length = if is_part(first) {
            rest.find(|c| !is_part(c)).unwrap_or(rest.len())
        } else if rest.starts_with("::") {
            2
        } else {
            first.len_utf8()
        };
        let (word, after) = rest.split_at(length);
        words.push(word);
        rest = after.trim_start();
    }
    words
}

/// The text with each comment and each literal as one space.
fn without_comments_and_literals(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let skipped = skipped_length(rest);
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        if skipped > 0 {
            code.push(' ');
            rest = rest.split_at(skipped).1;
        } else if is_part(first) {
            // Whole, so that the r of `for"` does not look like a raw string.
            let (word, after) = rest.split_at(rest.find(|c| !is_part(c)).unwrap_or(rest.len()));
            code.push_str(word);
            rest = after;
        } else {
            code.push(first);
            rest = rest.split_at(first.len_utf8()).1;
        }
    }
    code
}

/// How long the comment or literal is that the text starts with; 0 when it starts with none.
fn skipped_length(text: &str) -> usize {
    let until = |end: &str, from: usize| {
        let found = text.get(from..).and_then(|rest| rest.find(end));
        found.map_or(text.len(), |at| from + at + end.len())
    };
    if text.starts_with("//") {
        return until("\n", 2);
    }
    if text.starts_with("/*") {
        return until("*/", 2);
    }
    let body = text.trim_start_matches(['b', 'c']);
    let prefix = text.len() - body.len();
    if prefix <= 1
        && let Some(raw) = body.strip_prefix('r')
    {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        if raw.get(hashes..).is_some_and(|rest| rest.starts_with('"')) {
            return until(&format!("\"{}", "#".repeat(hashes)), prefix + hashes + 2);
        }
    }
    let quote = body
        .chars()
        .next()
        .filter(|quote| prefix <= 1 && matches!(quote, '"' | '\''));
    let Some(quote) = quote else {
        return 0;
    };
    let mut inside = body.char_indices().skip(1);
    if quote == '\'' {
        let mut next = body.chars().skip(1);
        let is_lifetime = next.next() != Some('\\') && next.next() != Some('\'');
        if is_lifetime {
            return 0;
        }
    }
    while let Some((at, c)) = inside.next() {
        if c == '\\' {
            inside.next();
        } else if c == quote {
            return prefix + at + 1;
        }
    }
    text.len()
}
