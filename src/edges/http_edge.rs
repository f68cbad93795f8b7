//! One edge that is purged and asked over HTTP, whatever its protocol: the adapter of [`EdgeCache`].
use async_trait::async_trait;
use futures_util::{StreamExt, TryStreamExt, stream};
use http::HeaderValue;
use reqwest::{Client, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use url::Url;

use super::{
    client::{EdgeClient, Reply, SetupError},
    probe,
};
use crate::domain::{EdgeCache, EdgeFailure, Tag, Version};

/// How many questions are under way at once.
const QUESTIONS_AT_ONCE: usize = 8;

/// How one kind of edge is purged.
pub(super) trait PurgeApi: Send + Sync {
    /// The most tags in one request.
    fn tags_per_call(&self) -> usize;

    /// The request that purges `tags`, by their names. It may be sent twice.
    fn request(&self, client: &Client, tags: &[String], hard: bool) -> RequestBuilder;

    /// What is wrong with an answer of status 200.
    fn check(&self, reply: &Reply) -> Result<(), String>;
}

/// What is purged by the API of a service. `Debug` does not show the token.
#[derive(Clone, Debug)]
pub struct PurgeService {
    /// The base of the API; the paths of its calls are put behind it.
    pub api_url: Url,
    /// The id of the service or zone: letters, digits, `-` and `_`.
    pub id: String,
    /// May purge.
    pub token: SecretString,
    /// What callers of the edge ask, one or more.
    pub asked: Vec<Url>,
}

impl PurgeService {
    pub(super) fn has_tls(&self) -> bool {
        let mut urls = self.asked.iter().chain([&self.api_url]);
        urls.any(|url| url.scheme() == "https")
    }
}

/// An edge with an HTTP API.
pub struct HttpEdge {
    name: String,
    api: Box<dyn PurgeApi>,
    client: EdgeClient,
    /// Through which it is asked.
    asked: Vec<Url>,
}

impl HttpEdge {
    pub(super) fn new(
        name: String,
        api: Box<dyn PurgeApi>,
        client: EdgeClient,
        asked: Vec<Url>,
    ) -> Self {
        Self {
            name,
            api,
            client,
            asked,
        }
    }
}

#[async_trait]
impl EdgeCache for HttpEdge {
    fn name(&self) -> &str {
        &self.name
    }

    async fn purge(&self, tags: &[Tag], hard: bool) -> Result<(), EdgeFailure> {
        let mut names: Vec<_> = tags.iter().map(Tag::to_string).collect();
        names.sort_unstable();
        for names in names.chunks(self.api.tags_per_call()) {
            let request = self.api.request(self.client.inner(), names, hard).build();
            let request =
                request.map_err(|error| EdgeFailure::new(error.without_url().to_string()))?;
            let check = |reply: &Reply| self.api.check(reply);
            self.client.persist(&request, check).await?;
        }
        Ok(())
    }

    async fn reached(&self, tags: &[Tag], version: Version) -> Result<(), EdgeFailure> {
        let questions = probe::questions(tags);
        let each = self
            .asked
            .iter()
            .flat_map(|url| questions.iter().map(move |question| (url, question)));
        let each: Vec<_> = each
            .map(|(base, question)| probe::ask(&self.client, base, question, version))
            .collect();
        let answers = stream::iter(each).buffer_unordered(QUESTIONS_AT_ONCE);
        answers.try_collect::<()>().await
    }
}

/// A header that holds a token, which no log shows.
pub(super) fn secret(token: &SecretString, before: &str) -> Result<HeaderValue, SetupError> {
    let value = HeaderValue::from_str(&format!("{before}{}", token.expose_secret()));
    let mut value = value.map_err(|_| SetupError("the token cannot be sent".to_owned()))?;
    value.set_sensitive(true);
    Ok(value)
}
