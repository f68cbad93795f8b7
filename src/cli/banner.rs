//! The banner that a server prints on a terminal once it serves: its addresses, what it created, and the next steps.
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::{
    escape::{clean, clean_lines},
    table::wrapped,
};
use crate::{
    app::Listening,
    config::{Config, DatabaseUrl, ProviderConfig},
};

const DEFAULT_ADDR: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 50_051);
/// A challenge of the seeds.
const SEEDED: &str = "7368dad2-43a3-4359-95c9-2405f700f00e";

/// What is known before the server starts.
pub(super) struct Banner {
    /// How this program was called.
    program: String,
    database: String,
    /// Whether the database was made by this start.
    is_made: bool,
    redis: String,
    providers: Vec<String>,
}

impl Banner {
    /// For a server with these settings, which has made nothing yet.
    pub(super) fn of(config: &Config, program: &str) -> Self {
        let is_made = match &config.database.url {
            DatabaseUrl::Sqlite(file) => !file.exists(),
            DatabaseUrl::Postgres(_) => false,
        };
        let redis = config.redis.url.as_ref();
        let providers = [&config.providers.anthropic, &config.providers.openai];
        let provider =
            |provider: &ProviderConfig| format!("{} at {}", provider.model, provider.base_url);
        Self {
            program: program.to_owned(),
            database: config.database.url.to_string(),
            is_made,
            redis: redis.map(ToString::to_string).unwrap_or_default(),
            providers: providers.into_iter().flatten().map(provider).collect(),
        }
    }

    /// Its lines, for a server that listens; commands stay whole, for copying.
    pub(super) fn text(&self, listening: &Listening, width: usize) -> String {
        let facts = wrapped(&clean_lines(&self.facts(listening)), width);
        let program = clean(&self.program);
        let (reads, admin) = (listening.grpc, listening.admin.unwrap_or(listening.grpc));
        let at = |addr| match listening.flags(addr) {
            // Where commands look when nobody says where the server is.
            flags if flags == format!("--addr {DEFAULT_ADDR}") => String::new(),
            flags => format!(" {flags}"),
        };
        let (at_other, other) = if self.is_made {
            (at(reads), format!("tips {SEEDED}"))
        } else {
            (at(admin), "admin cache status".to_owned())
        };
        let at = at(reads);
        format!(
            "{facts}\nNext, in another terminal:\n  \
             {program}{at} list --difficulty beginner\n  \
             {program}{at_other} {other}"
        )
    }

    fn facts(&self, listening: &Listening) -> String {
        let made = if self.is_made {
            ", made and seeded by this start"
        } else {
            ""
        };
        let redis = match self.redis.as_str() {
            "" => "none: this replica caches for itself",
            redis => redis,
        };
        let metrics = match listening.ops {
            Some(addr) => format!("http://{addr}/metrics"),
            None => "off; --ops-addr serves them".to_owned(),
        };
        let tls = if listening.needs.tls { " over TLS" } else { "" };
        let admin = listening.admin;
        let admin = admin.map_or_else(String::new, |addr| format!("\n  admin     {addr}{tls}"));
        format!(
            "challenges-catalog {} serves gRPC on {}{tls}{admin}\n  \
             database  {}{made}\n  \
             redis     {redis}\n  \
             tips      {}\n  \
             metrics   {metrics}\n  \
             stop      Ctrl-C; calls are finished first",
            env!("CARGO_PKG_VERSION"),
            listening.grpc,
            self.database,
            self.tips(listening),
        )
    }

    fn tips(&self, listening: &Listening) -> String {
        if self.providers.is_empty() {
            return "those that people wrote; ANTHROPIC_API_KEY lets a provider write".to_owned();
        }
        let (providers, personas) = (
            self.providers.join(", then "),
            listening.personas.join(", "),
        );
        format!("{providers}; prompts {} for {personas}", listening.prompts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        app::CallNeeds,
        config::{EnvVars, Flags, load},
    };

    fn banner(variables: &[(&str, &str)], grpc: &str) -> String {
        banner_at(variables, grpc, None, CallNeeds::default())
    }

    fn banner_at(
        variables: &[(&str, &str)],
        grpc: &str,
        admin: Option<&str>,
        needs: CallNeeds,
    ) -> String {
        let environment: EnvVars = variables.iter().copied().collect();
        let config = load(&Flags::new(), &environment).unwrap().config;
        let listening = Listening {
            grpc: grpc.parse().unwrap(),
            admin: admin.map(|addr| addr.parse().unwrap()),
            http: None,
            health: None,
            ops: None,
            needs,
            prompts: "e1".to_owned(),
            personas: vec!["connell".to_owned()],
        };
        Banner::of(&config, "bin/catalog").text(&listening, 80)
    }

    #[test]
    fn a_first_start_says_what_it_made_and_what_to_try() {
        let text = banner(&[], "127.0.0.1:50051");
        assert!(
            text.contains("sqlite:challenges.sqlite, made and seeded"),
            "{text}"
        );
        assert!(text.contains("ANTHROPIC_API_KEY lets"), "{text}");
        assert!(text.ends_with(&format!(
            "\n  bin/catalog list --difficulty beginner\n  bin/catalog tips {SEEDED}"
        )));
        assert!(include_str!("../../seeds/challenges.json").contains(SEEDED));
    }

    #[test]
    fn a_server_in_production_names_its_parts_and_no_secret() {
        let text = banner(
            &[
                ("DATABASE_URL", "postgres://u:S3CR3T@db/x"),
                ("REDIS_URL", "redis://:S3CR3T@cache"),
                ("ANTHROPIC_API_KEY", "sk-S3CR3T"),
            ],
            "0.0.0.0:7",
        );
        for part in [
            "u:***@db/x",
            "@cache",
            "claude",
            "prompts e1 for connell",
            "--addr 127.0.0.1:7 admin",
        ] {
            let words: Vec<_> = text.split_whitespace().collect();
            assert!(words.join(" ").contains(part), "{part}: {text}");
        }
        assert!(!text.contains("S3CR3T"), "{text}");
    }

    #[test]
    fn what_to_try_next_is_called_as_the_server_asks_for() {
        let database = [("DATABASE_URL", "postgres://db/x")];
        let of = |admin, needs| banner_at(&database, "127.0.0.1:50051", admin, needs);
        let open = CallNeeds::default();
        let admin = Some("10.0.0.1:7");
        let text = of(admin, open);
        assert!(text.contains("\n  admin     10.0.0.1:7\n"), "{text}");
        assert!(text.ends_with(
            "\n  bin/catalog list --difficulty beginner\n  \
             bin/catalog --addr 10.0.0.1:7 admin cache status"
        ));
        let tls = CallNeeds { tls: true, ..open };
        let token = CallNeeds { token: true, ..tls };
        let text = of(admin, token);
        assert!(text.contains(" on 127.0.0.1:50051 over TLS\n"), "{text}");
        let more = "--tls-ca CA_FILE --token-file TOKEN_FILE";
        assert!(text.ends_with(&format!(
            "\n  bin/catalog --addr https://127.0.0.1:50051 {more} list --difficulty beginner\n  \
             bin/catalog --addr https://10.0.0.1:7 {more} admin cache status"
        )));
        let certificate = CallNeeds {
            certificate: true,
            ..tls
        };
        let more = "--tls-ca CA_FILE --client-cert CERT_FILE --client-key KEY_FILE";
        let text = of(None, certificate);
        assert!(text.ends_with(&format!(
            "{more} list --difficulty beginner\n  \
             bin/catalog --addr https://127.0.0.1:50051 {more} admin cache status"
        )));
    }
}
