//! The command `admin cache warm`: calls `WarmCache` and shows its progress.
use clap::ArgMatches;
use tokio::signal::ctrl_c;
use tonic::Streaming;

use crate::{
    cli::{
        client,
        failure::Failure,
        humanize::time,
        id,
        json::json,
        output::{self, Output},
        progress::Progress,
        runtime, settings,
    },
    config::{ClientConfig, EnvVars},
    domain::{Difficulty as Named, PageSize},
    pb::{
        admin::v1::{
            WarmCacheRequest, WarmCacheResponse, WarmQuery, WarmSummary,
            cache_admin_client::CacheAdminClient,
        },
        catalog::v1::Difficulty,
    },
};

/// Loads queries and challenges into the caches, and shows the progress.
pub(super) fn run(matches: &ArgMatches, environment: &EnvVars) -> Result<(), Failure> {
    let output = Output::new(matches, environment);
    let config = settings::client(matches, environment)?;
    let request = request(matches, id::all_whole(&config, matches)?);
    runtime::command()?.block_on(async {
        let warmed = async {
            let mut admin = CacheAdminClient::new(client::connect(&config).await?);
            let call = admin.warm_cache(client::streamed(&config, request));
            let messages = client::begun(&config, call).await?;
            follow(output, environment, &config, messages).await
        };
        tokio::select! {
            warmed = warmed => warmed,
            // The call is dropped, and the server stops.
            _ = ctrl_c() => Err(Failure::failed("ended by Ctrl-C; what was loaded stays")),
        }
    })
}

fn request(matches: &ArgMatches, ids: Vec<String>) -> WarmCacheRequest {
    let queries = matches.get_many::<WarmQuery>("list").into_iter().flatten();
    WarmCacheRequest {
        queries: queries.copied().collect(),
        ids,
    }
}

/// `all`, or a difficulty; then, after a colon, how many a page has.
pub(super) fn first_page(text: &str) -> Result<WarmQuery, String> {
    let (word, size) = text.split_once(':').unwrap_or((text, "0"));
    let difficulty = match word {
        "all" => Difficulty::Unspecified,
        word => word.parse::<Named>()?.into(),
    };
    let size: i32 = size
        .parse()
        .map_err(|_| format!("{size:?} is no number of challenges"))?;
    PageSize::parse(size)?;
    Ok(WarmQuery {
        difficulty: difficulty.into(),
        page_size: size,
    })
}

async fn follow(
    output: Output,
    environment: &EnvVars,
    config: &ClientConfig,
    mut messages: Streaming<WarmCacheResponse>,
) -> Result<(), Failure> {
    let mut progress = Progress::new("warming", environment);
    loop {
        let Some(message) = client::next(config.timeout, &mut messages).await? else {
            return Err(Failure::failed(
                "the server ended the call before all was loaded",
            ));
        };
        if output.is_data() {
            output.data_item(&json(&message)?)?;
        }
        let count = |count: i32| u64::try_from(count).unwrap_or(0);
        let (done, total) = (count(message.done), count(message.total));
        let words = format!("{done}/{total} {}", message.current);
        progress.at(done, Some(total), &words);
        if let Some(summary) = message.summary {
            progress.finish();
            return show(output, &summary);
        }
    }
}

fn show(output: Output, summary: &WarmSummary) -> Result<(), Failure> {
    if output.is_data() {
        return Ok(());
    }
    let absent = match summary.absent {
        0 => String::new(),
        absent => format!(", {absent} are not in the catalog"),
    };
    output::line(&format!(
        "{} loaded, {} were there already{absent}; took {}",
        summary.loaded,
        summary.cached,
        time(summary.took.as_ref())
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_first_page_is_a_difficulty_and_a_size() {
        let beginner = WarmQuery {
            difficulty: Difficulty::Beginner.into(),
            page_size: 10,
        };
        assert_eq!(first_page("beginner:10"), Ok(beginner));
        assert_eq!(first_page("all"), Ok(WarmQuery::default()));
        for text in ["", "hard", "beginner:", "beginner:0x", "all:101", "all:-1"] {
            assert!(first_page(text).is_err(), "{text:?}");
        }
    }
}
