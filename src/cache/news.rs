use async_trait::async_trait;

use super::Knowledge;
use crate::domain::{ControlNews, Tag, Version};

#[async_trait]
impl ControlNews for Knowledge {
    fn newest(&self) -> Version {
        self.newest_of(Tag::Flags)
    }

    async fn other_than(&self, seen: Version) {
        self.news_of(Tag::Flags, seen).await;
    }
}
