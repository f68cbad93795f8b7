//! `tips ID`.
use std::time::Duration;

use clap::{Arg, ArgMatches, Command};
use tokio::time::{Instant, timeout};
use tonic::Streaming;

use super::{
    client,
    failure::Failure,
    id,
    output::{self, Output},
    runtime, settings,
    tip_page::TipPage,
    tip_view::EventView,
};
use crate::{
    config::{ClientConfig, EnvVars},
    domain::{Locale, PersonaName},
    pb::catalog::v1::{
        StreamTipsRequest, StreamTipsResponse, TipMode,
        challenges_catalog_client::ChallengesCatalogClient,
    },
};

/// The intervals at which a server gives signs of life.
const HEARTBEATS: [Duration; 2] = [Duration::from_millis(100), Duration::from_mins(1)];

/// `tips`, without the settings that all clients have.
pub(super) fn command() -> Command {
    let locale = Arg::new("locale")
        .long("locale")
        .value_name("LOCALE")
        .value_parser(|text: &str| text.parse::<Locale>())
        .help("The language to write in, such as de-AT; default: en");
    let persona = Arg::new("persona")
        .long("persona")
        .value_name("NAME")
        .value_parser(|text: &str| text.parse::<PersonaName>())
        .help("The voice to write in; default: the server's");
    let mode = Arg::new("mode")
        .long("mode")
        .value_name("MODE")
        .value_parser(["default", "cached-only", "refresh"])
        .default_value("default")
        .help(
            "Takes a current tip or has one written, takes what is there, or has one written anew",
        );
    Command::new("tips")
        .about("Shows a tip for one challenge as a running server writes it")
        .args([id::arg(), locale, persona, mode, output::arg()])
}

/// Shows a tip as it comes.
pub(super) fn run(matches: &ArgMatches, environment: &EnvVars) -> Result<(), Failure> {
    let output = Output::new(matches, environment);
    let config = settings::client(matches, environment)?;
    let id = id::whole(&config, matches)?;
    let request = request(matches, &config, id);
    runtime::command()?.block_on(async {
        let mut catalog = ChallengesCatalogClient::new(client::connect(&config).await?);
        let asked = Instant::now();
        let answer = timeout(
            config.timeout,
            catalog.stream_tips(client::streamed(&config, request)),
        );
        let answer = answer.await.map_err(|_| client::silent(&config))?;
        let events = answer.map_err(|status| client::refused(&status))?;
        let page = TipPage::new(output, environment, asked);
        follow(output, &config, page, events.into_inner()).await
    })
}

fn request(matches: &ArgMatches, config: &ClientConfig, challenge_id: String) -> StreamTipsRequest {
    let text = |text: Option<String>| text.unwrap_or_default();
    let mode = match matches.get_one::<String>("mode").map(String::as_str) {
        Some("cached-only") => TipMode::CachedOnly,
        Some("refresh") => TipMode::Refresh,
        Some(_) | None => TipMode::Unspecified,
    };
    // Twice in the time after which silence is a fault.
    let [shortest, longest] = HEARTBEATS;
    let heartbeat = (config.timeout / 2).clamp(shortest, longest);
    StreamTipsRequest {
        challenge_id,
        locale: text(matches.get_one::<Locale>("locale").map(ToString::to_string)),
        persona: text(
            matches
                .get_one::<PersonaName>("persona")
                .map(ToString::to_string),
        ),
        mode: mode.into(),
        heartbeat_interval: prost_types::Duration::try_from(heartbeat).ok(),
        ..Default::default()
    }
}

/// Reads to the end. A tip may take as long as it needs, but not in silence.
async fn follow(
    output: Output,
    config: &ClientConfig,
    mut page: TipPage<'_>,
    mut events: Streaming<StreamTipsResponse>,
) -> Result<(), Failure> {
    loop {
        let next = timeout(config.timeout, events.message()).await;
        let next = next.map_err(|_| client::silent(config))?;
        let Some(message) = next.map_err(|status| client::refused(&status))? else {
            return page.finished();
        };
        if output.is_data() {
            output.data_item(&EventView::from(&message))?;
        }
        page.turn(message)?;
    }
}
