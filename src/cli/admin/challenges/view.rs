use serde::Serialize;

use crate::{
    cli::{escape::clean, view::difficulty},
    pb::admin::v1 as pb,
};

/// A challenge as its row has it.
#[derive(Debug, Serialize)]
pub(super) struct EditedView {
    pub(super) id: String,
    pub(super) difficulty: &'static str,
    pub(super) title: String,
    pub(super) description: String,
    pub(super) points: i32,
    pub(super) tips: Option<String>,
    pub(super) create_time: Option<String>,
    pub(super) update_time: Option<String>,
    pub(super) etag: String,
}

impl From<pb::EditedChallenge> for EditedView {
    fn from(challenge: pb::EditedChallenge) -> Self {
        Self {
            difficulty: difficulty(challenge.difficulty()),
            description: challenge.description().to_owned(),
            points: challenge.points(),
            id: challenge.id,
            title: challenge.title,
            tips: challenge.tips,
            create_time: challenge.create_time.map(|time| time.to_string()),
            update_time: challenge.update_time.map(|time| time.to_string()),
            etag: challenge.etag,
        }
    }
}

impl EditedView {
    /// A row for each field that has something.
    pub(super) fn rows(self) -> impl Iterator<Item = [String; 2]> {
        let rows = [
            ("id", Some(self.id)),
            ("difficulty", Some(self.difficulty.to_owned())),
            ("points", Some(self.points.to_string())),
            ("title", Some(self.title)),
            ("description", Some(self.description)),
            ("tips", self.tips),
            ("create_time", self.create_time),
            ("update_time", self.update_time),
            ("etag", Some(self.etag)),
        ];
        let rows = rows.into_iter();
        rows.filter_map(|(name, value)| Some([name.to_owned(), clean(&value?)]))
    }
}
