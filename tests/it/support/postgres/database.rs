use std::{thread, time::Duration};

use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

use super::{GUARDED_PASSWORD, GUARDED_ROLE, Postgres};

/// A database of one test, dropped with its roles when the test is over.
pub struct Database {
    port: u16,
    name: String,
    roles: std::sync::Mutex<Vec<String>>,
    /// Another value drops it.
    is_borrowed: bool,
}

impl Database {
    pub(super) async fn create(port: u16) -> Self {
        let name = format!("test_{}", Uuid::new_v4().simple());
        let mut server = connect(&url(port, "postgres", "postgres")).await;
        run(&mut server, &format!("CREATE DATABASE {name}")).await;
        Self {
            port,
            name,
            roles: std::sync::Mutex::default(),
            is_borrowed: false,
        }
    }

    /// The same database by another server that has it, such as a standby.
    pub fn on(&self, server: &Postgres) -> Self {
        Self {
            port: server.port(),
            name: self.name.clone(),
            roles: std::sync::Mutex::default(),
            is_borrowed: true,
        }
    }

    /// Its address with several hosts, as superuser, to be tried in this order.
    pub fn url_of_hosts(&self, ports: &[u16]) -> String {
        let hosts: Vec<_> = ports
            .iter()
            .map(|port| format!("127.0.0.1:{port}"))
            .collect();
        format!("postgres://postgres@{}/{}", hosts.join(","), self.name)
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its address, as superuser.
    pub fn url(&self) -> String {
        self.url_as("postgres")
    }

    /// Its address, as a role that [`Database::create_role`] made.
    pub fn url_as(&self, role: &str) -> String {
        url(self.port, role, &self.name)
    }

    /// Its address by way of another port, such as a proxy's, as superuser.
    pub fn url_via(&self, port: u16) -> String {
        url(port, "postgres", &self.name)
    }

    /// Its address as a superuser whom the server asks for a password.
    pub async fn url_with_password(&self, password: &str) -> String {
        let role = format!(
            "DO $$ BEGIN
                CREATE ROLE {GUARDED_ROLE} LOGIN SUPERUSER PASSWORD '{GUARDED_PASSWORD}';
            EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
        );
        self.execute(&role).await;
        let login = format!("{GUARDED_ROLE}:{password}");
        url(self.port, &login, &self.name)
    }

    /// Where the server listens, on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Runs one or more statements as superuser.
    pub async fn execute(&self, sql: &str) {
        self.execute_as("postgres", sql).await;
    }

    /// Runs one or more statements as a role.
    pub async fn execute_as(&self, role: &str, sql: &str) {
        run(&mut connect(&self.url_as(role)).await, sql).await;
    }

    /// Lets a COMMIT that changed a table wait as long as somebody holds the advisory lock `number`.
    pub async fn commits_wait_for(&self, number: i64, table: &str) {
        let trigger = format!(
            "CREATE OR REPLACE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                PERFORM pg_advisory_xact_lock({number});
                RETURN NULL;
            END $$;
            CREATE CONSTRAINT TRIGGER wait AFTER INSERT OR UPDATE OR DELETE ON {table}
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION wait()"
        );
        self.execute(&trigger).await;
    }

    /// The number that a query gives.
    pub async fn query_i64(&self, sql: &str) -> i64 {
        self.query(&format!("SELECT ({sql})::bigint")).await
    }

    /// The text that a query gives.
    pub async fn query_text(&self, sql: &str) -> String {
        self.query(&format!("SELECT ({sql})::text")).await
    }

    /// How often statements like `pattern` ran here, by `pg_stat_statements`.
    pub async fn calls_of(&self, pattern: &str) -> i64 {
        let mut connection = connect(&self.url()).await;
        run(
            &mut connection,
            "CREATE EXTENSION IF NOT EXISTS pg_stat_statements",
        )
        .await;
        let count = "SELECT COALESCE(SUM(calls), 0)::bigint FROM pg_stat_statements
            WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database())
                AND query LIKE $1 AND query NOT LIKE '%pg_stat_statements%'";
        sqlx::query_scalar(count)
            .bind(pattern)
            .fetch_one(&mut connection)
            .await
            .unwrap_or_else(|problem| panic!("{count}: {problem}"))
    }

    /// A session of its own, as superuser.
    pub async fn connect(&self) -> PgConnection {
        connect(&self.url()).await
    }

    /// Makes a role that may log in and has no rights; its full name, for roles are the server's.
    pub async fn create_role(&self, name: &str) -> String {
        let role = format!("{name}_{}", Uuid::new_v4().simple());
        self.execute(&format!("CREATE ROLE {role} LOGIN")).await;
        self.roles.lock().unwrap().push(role.clone());
        role
    }

    async fn query<T>(&self, sql: &str) -> T
    where
        T: Send + Unpin + sqlx::Type<sqlx::Postgres>,
        for<'r> T: sqlx::Decode<'r, sqlx::Postgres>,
    {
        sqlx::query_scalar(AssertSqlSafe(sql.to_owned()))
            .fetch_one(&mut connect(&self.url()).await)
            .await
            .unwrap_or_else(|problem| panic!("{sql}: {problem}"))
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        if self.is_borrowed {
            return;
        }
        let mut statements = vec![format!(
            "DROP DATABASE IF EXISTS {} WITH (FORCE)",
            self.name
        )];
        let roles = self.roles.get_mut().unwrap();
        statements.extend(
            roles
                .iter()
                .map(|role| format!("DROP ROLE IF EXISTS {role}")),
        );
        let server = url(self.port, "postgres", "postgres");
        // As well as it goes, and nobody waits: the server may be gone, and its folder goes with it.
        thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let work = async {
                let mut connection = PgConnection::connect(&server).await?;
                for sql in statements {
                    sqlx::raw_sql(AssertSqlSafe(sql))
                        .execute(&mut connection)
                        .await?;
                }
                Ok::<_, sqlx::Error>(())
            };
            let _ = runtime
                .unwrap()
                .block_on(async { tokio::time::timeout(Duration::from_secs(10), work).await });
        });
    }
}

fn url(port: u16, login: &str, database: &str) -> String {
    format!("postgres://{login}@127.0.0.1:{port}/{database}")
}

async fn connect(url: &str) -> PgConnection {
    PgConnection::connect(url)
        .await
        .unwrap_or_else(|problem| panic!("{url}: {problem}"))
}

async fn run(connection: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned()))
        .execute(connection)
        .await
        .unwrap_or_else(|problem| panic!("{sql}: {problem}"));
}
