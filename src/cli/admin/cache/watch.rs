//! The command `admin cache status --watch`: shows the status again and again.
use std::time::{Duration, Instant};

use clap::ArgMatches;
use tokio::{
    signal::ctrl_c,
    time::{MissedTickBehavior, interval},
};

use super::{
    dashboard::{Dashboard, Sample},
    status::{ask, others_unknown},
};
use crate::{
    cli::{
        client,
        failure::Failure,
        humanize::NONE,
        json::json,
        output::{self, Color, Output},
        runtime, settings,
    },
    config::{ClientConfig, EnvVars},
    pb::admin::v1::{GetCacheStatusResponse, cache_admin_client::CacheAdminClient},
};

const EVERY_SECOND: Duration = Duration::from_secs(1);
/// The other screen of the terminal, from its top, without a cursor.
const ENTER: &str = "\u{1b}[?1049h\u{1b}[?25l";
const LEAVE: &str = "\u{1b}[?25h\u{1b}[?1049l";
const TOP: &str = "\u{1b}[H";
const REST_OF_LINE: &str = "\u{1b}[K\n";
const REST_OF_SCREEN: &str = "\u{1b}[J";

/// Shows the status until Ctrl-C, then restores the screen.
pub(super) fn run(matches: &ArgMatches, environment: &EnvVars) -> Result<(), Failure> {
    let output = Output::new(matches, environment);
    let config = settings::client(matches, environment)?;
    let all = matches.get_flag("all");
    let every = matches.get_one::<Duration>("interval").copied();
    runtime::command()?.block_on(async {
        tokio::select! {
            ended = watch(output, &config, all, every.unwrap_or(EVERY_SECOND)) => ended,
            pressed = ctrl_c() => {
                pressed.map_err(|error| Failure::caused("cannot wait for Ctrl-C", &error))?;
                // As a shell tells of a command that Ctrl-C ended.
                Err(Failure::quiet(130))
            }
        }
    })
}

async fn watch(
    output: Output,
    config: &ClientConfig,
    all: bool,
    every: Duration,
) -> Result<(), Failure> {
    let mut admin = CacheAdminClient::new(client::connect(config).await?);
    let mut beat = interval(every);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut view = WatchScreen::new(output)?;
    let mut asked_at = Instant::now();
    loop {
        beat.tick().await;
        let status = ask(config, &mut admin, all).await;
        let since = asked_at.elapsed();
        asked_at = Instant::now();
        view.show(status, since)?;
    }
}

/// Where the looks are shown; the screen is as it was when this is dropped.
struct WatchScreen {
    output: Output,
    dashboard: Dashboard,
    has_screen: bool,
}

impl WatchScreen {
    fn new(output: Output) -> Result<Self, Failure> {
        let has_screen = output.is_screen();
        if has_screen {
            output::piece(ENTER)?;
        }
        Ok(Self {
            output,
            dashboard: Dashboard::default(),
            has_screen,
        })
    }

    /// A server that does not answer for a while is no end on a screen: somebody may be looking
    /// at it for that reason. A script is told.
    fn show(
        &mut self,
        status: Result<GetCacheStatusResponse, Failure>,
        since: Duration,
    ) -> Result<(), Failure> {
        let problem = match status {
            Ok(status) if self.output.is_data() => {
                return self.output.data_item(&json(&status)?);
            }
            Ok(status) => {
                let replicas = status.replicas.len();
                let silent = match others_unknown(&status) {
                    Some(_) => "unknown".to_owned(),
                    None => status.silent.len().to_string(),
                };
                let sample = self.dashboard.take(status, since);
                if !self.has_screen {
                    return output::line(&plain(sample, replicas, silent));
                }
                None
            }
            Err(failure) if self.has_screen => Some(failure.message),
            Err(failure) => return Err(failure),
        };
        let mut lines = self.dashboard.lines(self.output);
        lines.push(String::new());
        lines.push(match problem {
            Some(problem) => self.output.paint(Color::Red, &problem),
            None => "Ctrl-C ends it".to_owned(),
        });
        let frame: String = lines
            .iter()
            .flat_map(|line| line.lines().chain(line.is_empty().then_some("")))
            .flat_map(|line| [line, REST_OF_LINE])
            .collect();
        output::piece(&format!("{TOP}{frame}{REST_OF_SCREEN}"))
    }
}

impl Drop for WatchScreen {
    fn drop(&mut self) {
        if self.has_screen {
            // Nobody is left to be told when the terminal is gone.
            let _ = output::piece(LEAVE);
        }
    }
}

/// Rate, hit ratio, replicas that answered and that were silent, parted by tabs.
fn plain(sample: Option<Sample>, replicas: usize, silent: String) -> String {
    let rate = sample.map_or(NONE.to_owned(), |sample| format!("{:.1}", sample.rate));
    let ratio = sample.and_then(|sample| sample.hit_ratio);
    let ratio = ratio.map_or(NONE.to_owned(), |ratio| format!("{ratio:.4}"));
    [rate, ratio, replicas.to_string(), silent].join("\t")
}
