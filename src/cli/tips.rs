//! The command `tips ID`: prints a tip while it is written.
use std::time::Duration;

use clap::{Arg, ArgMatches, Command};
use tokio::time::Instant;

use super::{
    args::{option, text},
    client,
    failure::Failure,
    id,
    json::json,
    output::Output,
    runtime, settings,
    tip_page::TipPage,
};
use crate::{
    config::{ClientConfig, EnvVars},
    domain::{Locale, PersonaName},
    pb::catalog::v1::{
        StreamTipsRequest, TipMode, challenges_catalog_client::ChallengesCatalogClient,
    },
};

/// The intervals at which a server gives signs of life.
const HEARTBEATS: [Duration; 2] = [Duration::from_millis(100), Duration::from_mins(1)];

/// `tips`, without the settings that all clients have.
pub(super) fn command() -> Command {
    let mode = option("mode", "MODE")
        .value_parser(["default", "cached-only", "refresh"])
        .default_value("default")
        .help(
            "Takes a current tip or has one written, takes what is there, or has one written anew",
        );
    Command::new("tips")
        .about("Shows a tip for one challenge as a running server writes it")
        .arg(id::arg())
        .args(wording())
        .arg(mode)
}

/// `--locale` and `--persona`.
pub(super) fn wording() -> [Arg; 2] {
    let locale = option("locale", "LOCALE")
        .value_parser(|text: &str| text.parse::<Locale>().map(|locale| locale.to_string()))
        .help("The language to write in, such as de-AT; default: en");
    let persona = option("persona", "NAME")
        .value_parser(|text: &str| text.parse::<PersonaName>().map(|name| name.to_string()))
        .help("The persona to write in; default: the server's");
    [locale, persona]
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
        let call = catalog.stream_tips(client::streamed(&config, request));
        let mut events = client::begun(&config, call).await?;
        let mut page = TipPage::new(output, environment, asked);
        // A tip may take as long as it needs, but not in silence.
        while let Some(message) = client::next(config.timeout, &mut events).await? {
            if output.is_data() {
                output.data_item(&json(&message)?)?;
            }
            page.turn(message)?;
        }
        page.finished()
    })
}

fn request(matches: &ArgMatches, config: &ClientConfig, challenge_id: String) -> StreamTipsRequest {
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
        locale: text(matches, "locale"),
        persona: text(matches, "persona"),
        mode: mode.into(),
        heartbeat_interval: prost_types::Duration::try_from(heartbeat).ok(),
        ..Default::default()
    }
}
