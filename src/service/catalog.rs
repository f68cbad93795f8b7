use std::sync::Arc;

use crate::domain::{Answer, CatalogReader, ChallengeId, Error, ListQuery, ReadOptions};

/// Reads of the catalog.
#[derive(Clone)]
pub struct CatalogService {
    catalog: Arc<dyn CatalogReader>,
}

impl CatalogService {
    /// Reads from `catalog`.
    #[must_use]
    pub fn new(catalog: Arc<dyn CatalogReader>) -> Self {
        Self { catalog }
    }

    /// One page of challenges.
    ///
    /// # Errors
    ///
    /// As [`CatalogReader::list`].
    pub async fn list(&self, query: &ListQuery, options: ReadOptions) -> Result<Answer, Error> {
        self.catalog.list(query, options).await
    }

    /// An answer for every one of `ids`, in their order.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`] naming all that do not exist; else as [`CatalogReader::get_many`].
    pub async fn get_many(
        &self,
        ids: &[ChallengeId],
        options: ReadOptions,
    ) -> Result<Vec<Answer>, Error> {
        let answers = self.catalog.get_many(ids, options).await?;
        let absent = ids
            .iter()
            .zip(&answers)
            .filter(|(_, answer)| answer.body.is_none());
        let absent: Vec<_> = absent.map(|(id, _)| id.to_string()).collect();
        if absent.is_empty() {
            Ok(answers)
        } else {
            Err(Error::NotFound {
                kind: "challenge",
                ids: absent,
            })
        }
    }
}
