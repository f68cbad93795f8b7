//! `admin tips resume`.
use clap::{ArgMatches, Command};
use prost_types::Duration as Told;
use serde::Serialize;

use crate::{
    cli::{
        client,
        escape::clean,
        failure::Failure,
        figures::time,
        output::{self, Output},
        runtime, settings,
    },
    config::EnvVars,
    pb::admin::v1::{
        ResumeProvidersRequest, ResumeProvidersResponse, ResumedProvider,
        tips_admin_client::TipsAdminClient,
    },
};

/// The command.
pub(super) fn command() -> Command {
    Command::new("resume")
        .about("Lets orders go to providers again that asked for a pause, failed, or refused a key")
        .arg(output::arg())
        .args(settings::client_args())
        .after_help(
            "All replicas do so within seconds, by way of Redis; without Redis only the one that is asked. \
             A provider that still refuses is left alone again after one order.",
        )
}

/// What was resumed, with the field names of the proto.
#[derive(Debug, Serialize)]
struct ResumedView {
    providers: Vec<ProviderView>,
    fleet_wide: bool,
}

#[derive(Debug, Serialize)]
struct ProviderView {
    provider: String,
    model: String,
    was_left_alone: bool,
    pause_left: Option<String>,
    #[serde(skip)]
    left: Option<Told>,
}

impl From<ResumeProvidersResponse> for ResumedView {
    fn from(resumed: ResumeProvidersResponse) -> Self {
        Self {
            providers: resumed.providers.into_iter().map(Into::into).collect(),
            fleet_wide: resumed.fleet_wide,
        }
    }
}

impl From<ResumedProvider> for ProviderView {
    fn from(resumed: ResumedProvider) -> Self {
        Self {
            provider: resumed.provider,
            model: resumed.model,
            was_left_alone: resumed.was_left_alone,
            pause_left: resumed.pause_left.map(|pause| pause.to_string()),
            left: resumed.pause_left,
        }
    }
}

/// Asks a running server.
pub(super) fn run(matches: &ArgMatches, environment: &EnvVars) -> Result<(), Failure> {
    let output = Output::new(matches, environment);
    let config = settings::client(matches, environment)?;
    let resumed = runtime::command()?.block_on(async {
        let mut admin = TipsAdminClient::new(client::connect(&config).await?);
        let request = client::request(&config, ResumeProvidersRequest {});
        let answer = admin.resume_providers(request).await;
        answer.map_err(|status| client::refused(&status))
    })?;
    let view = ResumedView::from(resumed.into_inner());
    if output.is_data() {
        return output.data(&view);
    }
    let rows = view.providers.iter().map(|resumed| {
        [
            clean(&resumed.provider),
            clean(&resumed.model),
            if resumed.was_left_alone { "yes" } else { "no" }.to_owned(),
            resumed
                .left
                .as_ref()
                .map_or_else(String::new, |left| time(Some(left))),
        ]
    });
    output.rows(["PROVIDER", "MODEL", "LEFT ALONE", "PAUSE LEFT"], rows)?;
    output.text(if view.fleet_wide {
        "All replicas order again within seconds."
    } else {
        "Only the replica that was asked orders again: it shares nothing with others."
    })
}
