//! The command `health`: asks a server whether it serves, and exits with the answer.
use clap::ArgMatches;
use serde_json::json;
use tonic::Code;

use super::{
    args::text,
    client,
    failure::Failure,
    output::{self, Color, Output},
    runtime, settings,
};
use crate::{
    config::{ClientConfig, EnvVars},
    pb::health::v1::{
        HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
    },
};

/// Exit code 0: serving; 1: not serving or unknown; 2: could not ask.
pub(super) fn run(matches: &ArgMatches, environment: &EnvVars) -> Result<(), Failure> {
    let output = Output::new(matches, environment);
    let config = settings::client(matches, environment)?;
    let service = text(matches, "service");
    let runtime = runtime::command()?;
    if matches.get_flag("watch") {
        return runtime.block_on(watch(output, &config, service));
    }
    let status = runtime.block_on(check(&config, &service))?;
    show(output, &service, status, None)?;
    if status == ServingStatus::Serving {
        Ok(())
    } else {
        Err(Failure::quiet(1))
    }
}

async fn check(config: &ClientConfig, service: &str) -> Result<ServingStatus, Failure> {
    let channel = client::connect(config).await.map_err(unreachable)?;
    let request = HealthCheckRequest {
        service: service.to_owned(),
    };
    match HealthClient::new(channel)
        .check(client::request(config, request))
        .await
    {
        Ok(answer) => Ok(answer.get_ref().status()),
        Err(status) if status.code() == Code::NotFound => Ok(ServingStatus::ServiceUnknown),
        Err(status) => Err(unreachable(client::refused(&status))),
    }
}

async fn watch(output: Output, config: &ClientConfig, service: String) -> Result<(), Failure> {
    let channel = client::connect(config).await.map_err(unreachable)?;
    let request = HealthCheckRequest {
        service: service.clone(),
    };
    let refused = |status| unreachable(client::refused(&status));
    let mut asking = HealthClient::new(channel);
    let call = asking.watch(client::streamed(config, request));
    let mut changes = client::begun(config, call).await.map_err(unreachable)?;
    while let Some(change) = changes.message().await.map_err(refused)? {
        show(output, &service, change.status(), Some(now()))?;
    }
    Err(Failure::failed("the server ended the watch").with_code(2))
}

fn unreachable(failure: Failure) -> Failure {
    failure.with_code(2)
}

fn show(
    output: Output,
    service: &str,
    status: ServingStatus,
    time: Option<String>,
) -> Result<(), Failure> {
    let word = status.as_str_name();
    if output.is_data() {
        let mut line = json!({ "service": service, "status": word });
        if let (Some(object), Some(time)) = (line.as_object_mut(), time) {
            object.insert("time".to_owned(), json!(time));
        }
        return output.data_item(&line);
    }
    let color = if status == ServingStatus::Serving {
        Color::Green
    } else {
        Color::Red
    };
    let word = output.paint(color, word);
    match time {
        Some(time) => output::line(&format!("{time}  {word}")),
        None => output::line(&word),
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a time for people; nothing is decided by it"
)]
fn now() -> String {
    humantime::format_rfc3339_millis(std::time::SystemTime::now()).to_string()
}
