//! What the contract says of its parts: the comments above them.
use std::collections::HashMap;

use prost_reflect::{
    DescriptorPool, EnumDescriptor, EnumValueDescriptor, FieldDescriptor, FileDescriptor,
    MessageDescriptor, MethodDescriptor, ServiceDescriptor,
};

/// The comments of the contract, without line breaks but those between paragraphs.
pub(super) struct Comments<'a> {
    contract: &'a DescriptorPool,
    by_place: HashMap<(String, Vec<i32>), String>,
}

impl<'a> Comments<'a> {
    /// Reads all of them.
    pub(super) fn of(contract: &'a DescriptorPool) -> Self {
        let mut by_place = HashMap::new();
        for file in contract.files() {
            let file = file.file_descriptor_proto();
            let locations = file.source_code_info.iter().flat_map(|it| &it.location);
            for location in locations {
                if let Some(comment) = &location.leading_comments {
                    let place = (file.name().to_owned(), location.path.clone());
                    by_place.insert(place, in_paragraphs(comment));
                }
            }
        }
        Self { contract, by_place }
    }

    pub(super) fn of_service(&self, service: &ServiceDescriptor) -> &str {
        self.at(&service.parent_file(), service.path())
    }

    pub(super) fn of_rpc(&self, rpc: &MethodDescriptor) -> &str {
        self.at(&rpc.parent_file(), rpc.path())
    }

    pub(super) fn of_message(&self, message: &MessageDescriptor) -> &str {
        self.at(&message.parent_file(), message.path())
    }

    pub(super) fn of_enum(&self, kind: &EnumDescriptor) -> &str {
        self.at(&kind.parent_file(), kind.path())
    }

    pub(super) fn of_value(&self, value: &EnumValueDescriptor) -> &str {
        self.at(&value.parent_file(), value.path())
    }

    /// What is said of a field; where that is no more than that it is as another one, what is said of that one.
    pub(super) fn of_field(&self, field: &FieldDescriptor) -> String {
        let own = self.at(&field.parent_message().parent_file(), field.path());
        let other = self.named_by(own, field);
        other.map_or_else(
            || own.to_owned(),
            |(other, rest)| {
                let rest = rest.trim_start_matches([',', '.', ' ']);
                let mut comment = self.of_field(&other);
                if !rest.is_empty() {
                    comment.push(' ');
                    let (first, behind) =
                        rest.split_at(rest.chars().next().map_or(0, char::len_utf8));
                    comment.push_str(&first.to_uppercase());
                    comment.push_str(behind);
                }
                comment
            },
        )
    }

    /// The field that a comment such as `As GetChallengeRequest.id.` names, and what follows.
    fn named_by<'c>(
        &self,
        comment: &'c str,
        field: &FieldDescriptor,
    ) -> Option<(FieldDescriptor, &'c str)> {
        let name = comment.strip_prefix("As ")?;
        let is_name = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.');
        let end = name.find(|letter| !is_name(letter)).unwrap_or(name.len());
        let (name, rest) = name.split_at(end);
        let (message, name) = name.trim_end_matches('.').split_once('.')?;
        let package = field.parent_message().package_name().to_owned();
        let packages = [package.as_str(), "challenges.catalog.v1"];
        let mut messages = packages.into_iter().filter_map(|package| {
            self.contract
                .get_message_by_name(&format!("{package}.{message}"))
        });
        let other = messages.find_map(|message| message.get_field_by_name(name))?;
        (other != *field).then_some((other, rest))
    }

    fn at(&self, file: &FileDescriptor, path: &[i32]) -> &str {
        let place = (file.name().to_owned(), path.to_vec());
        self.by_place.get(&place).map_or("", String::as_str)
    }
}

fn in_paragraphs(comment: &str) -> String {
    let mut text = String::with_capacity(comment.len());
    for line in comment.trim().lines().map(str::trim) {
        if line.is_empty() {
            text.push_str("\n\n");
        } else {
            if !text.is_empty() && !text.ends_with('\n') {
                text.push(' ');
            }
            text.push_str(line);
        }
    }
    text
}

/// The first sentence, without its full stop, and what follows it.
pub(super) fn first_sentence(comment: &str) -> (&str, &str) {
    let ends = [". ", ".\n"].iter().filter_map(|end| comment.find(end));
    let end = ends.min().unwrap_or(comment.len());
    let (first, rest) = comment.split_at(end);
    let rest = rest.trim_start_matches(['.', ' ', '\n']);
    (first.trim_end_matches('.'), rest)
}
