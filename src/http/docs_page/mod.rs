//! The page that shows the OpenAPI document to people: one HTML file, without scripts and without anything to fetch, so
//! that it works behind the strictest `Content-Security-Policy`: `default-src 'none'; style-src 'unsafe-inline'`.
mod example;
mod markup;
mod page;
mod schema_text;

pub(super) use page::page;
