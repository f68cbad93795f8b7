//! `LiteLLM`, a gateway to model providers by others (docs.litellm.ai): the program that callers run.
use std::{
    fs,
    net::{TcpListener, TcpStream},
    path::Path,
    sync::{
        LazyLock, Mutex,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use serde_json::{Value, json};

use super::{
    llmock::{self, Llmock},
    process::{self, Plan, Process},
    scripted::{Act, Exchange, Scripted},
};

/// The key that it asks its callers for: that which the tests' writers have.
pub const MASTER_KEY: &str = "sk-S3CR3T";

/// It is a large program, and two cores may have all tests to run.
const PATIENCE: Duration = Duration::from_mins(3);

/// What the provider is called, beside the names of the protocols, when it is one of `OpenAI`'s protocol
/// of which the first answer costs more than the gateway may spend on it.
pub const POOR: &str = "poor";

/// How many cases can have a provider of their own behind the gateway that all share.
const PLACES: usize = 120;

static SHARED: LazyLock<Shared> = LazyLock::new(Shared::start);

/// A gateway that runs.
pub struct Litellm {
    _process: Process,
    port: u16,
}

/// The gateway that all tests share.
pub fn shared() -> &'static Litellm {
    &SHARED.gateway
}

/// That gateway, and the simulator behind it, which is one test's: callers call it
/// `llmock-anthropic` and `llmock-openai`, by the protocol that it speaks.
pub fn with_simulator() -> (&'static Litellm, &'static Llmock) {
    (&SHARED.gateway, &SHARED.simulator)
}

/// An entry of its `model_list`: what it calls `name`, is at `base_url`, and speaks that provider's protocol.
fn model(name: &str, provider: &str, base_url: &str) -> Value {
    json!({"model_name": name, "litellm_params": {"model": format!("{provider}/model-1"),
        "api_base": base_url, "api_key": "upstream-key"}})
}

impl Litellm {
    fn start(port: u16, models: &[Value]) -> Result<Self, String> {
        let top = Path::new(env!("CARGO_MANIFEST_DIR"));
        let port_text = port.to_string();
        let args = [
            "--config",
            "config.json",
            "--host",
            "127.0.0.1",
            "--port",
            &port_text,
        ];
        // It would ask the internet for lists that it has brought along.
        let local = ["MODEL_COST_MAP", "ANTHROPIC_BETA_HEADERS", "BLOG_POSTS"];
        let local = local.map(|list| (format!("LITELLM_LOCAL_{list}"), "True".to_owned()));
        let process = Process::new(&Plan {
            program: top.join(".tools/bin/litellm"),
            args: args.map(Into::into).into(),
            env: local.into(),
            end_signal: "KILL",
            user: None,
        });
        let config = json!({
            "model_list": models,
            "general_settings": {"master_key": MASTER_KEY},
            // That it tries again, and after which wait, is another program's test.
            "router_settings": {"num_retries": 0},
            // Else it asks OpenAI's servers by a protocol that few others speak.
            "litellm_settings": {"telemetry": false, "use_chat_completions_url_for_anthropic_messages": true},
        });
        // YAML, of which JSON is a part.
        fs::write(process.folder().join("config.json"), config.to_string()).unwrap();
        process.start();
        process.wait_until_ready_within(PATIENCE, || {
            TcpStream::connect(("127.0.0.1", port)).is_ok()
        })?;
        Ok(Self {
            _process: process,
            port,
        })
    }

    /// The base URL of its Anthropic.
    pub fn anthropic_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The base URL of its `OpenAI`.
    pub fn openai_url(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }
}

/// One gateway for all tests, because it starts for as long as they run, and places for providers
/// behind it. A place is used once: the gateway holds requests back from one that failed.
struct Shared {
    gateway: Litellm,
    simulator: Llmock,
    places: Vec<Mutex<Option<TcpListener>>>,
    taken: AtomicUsize,
}

impl Shared {
    fn start() -> Self {
        let listen = || TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let listeners: Vec<_> = std::iter::repeat_with(listen).take(PLACES).collect();
        let models = listeners.iter().enumerate().flat_map(|(place, listener)| {
            let url = format!("http://{}", listener.local_addr().unwrap());
            let openai = |name| model(&format!("{name}-{place}"), "openai", &format!("{url}/v1"));
            let mut poor = openai(POOR);
            for (param, value) in [
                ("max_budget", json!(0.001)),
                ("budget_duration", json!("1d")),
                ("input_cost_per_token", json!(1)),
                ("output_cost_per_token", json!(1)),
            ] {
                poor["litellm_params"][param] = value;
            }
            let anthropic = model(&format!("anthropic-{place}"), "anthropic", &url);
            [anthropic, openai("openai"), poor]
        });
        let simulator = llmock::start();
        let simulated = [
            model("llmock-anthropic", "anthropic", &simulator.anthropic_url()),
            model("llmock-openai", "openai", &simulator.openai_url()),
        ];
        let models: Vec<_> = models.chain(simulated).collect();
        Self {
            gateway: process::on_free_port("LiteLLM", |port| Litellm::start(port, &models)),
            simulator,
            places: listeners
                .into_iter()
                .map(|listener| Mutex::new(Some(listener)))
                .collect(),
            taken: AtomicUsize::new(0),
        }
    }
}

/// A provider of the test's own behind the gateway that all share.
pub struct Behind {
    /// The provider.
    pub provider: Scripted,
    place: usize,
}

impl Behind {
    /// Starts a provider that plays `script` to each request of the gateway.
    pub fn playing(script: Vec<Act>) -> Self {
        let place = SHARED.taken.fetch_add(1, Relaxed);
        let taken = SHARED.places.get(place).expect("a place that is free");
        let listener = taken.lock().unwrap().take().unwrap();
        Self {
            provider: Scripted::on(listener, move |asked| {
                if is_request(asked) {
                    script.clone()
                } else {
                    vec![Act::Send(NO_LIST.to_vec())]
                }
            }),
            place,
        }
    }

    /// The requests that came to the provider.
    pub fn requests(&self) -> Vec<Exchange> {
        let mut exchanges = self.provider.exchanges();
        exchanges.retain(is_request);
        exchanges
    }

    /// What callers call the provider, when it speaks the protocol of `provider`.
    pub fn model(&self, provider: &str) -> String {
        format!("{provider}-{}", self.place)
    }
}

/// Once it has started, it asks who is behind it for a list of models, too.
fn is_request(asked: &Exchange) -> bool {
    asked.head.starts_with("POST ")
}

const NO_LIST: &[u8] = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
