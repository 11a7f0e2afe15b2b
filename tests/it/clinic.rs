//! A clinic for scenarios: the real app on a database of its own, a clock set by hand, carriers and phones.
//!
//! [`each`] plays a scenario on every database at hand. A clinic that is left with work undone fails its test.

pub(crate) mod broker;
pub(crate) mod carrier;
pub(crate) mod daemon;
pub(crate) mod database;
pub(crate) mod http;
pub(crate) mod line;
mod quiet;
pub(crate) mod records;

use std::path::PathBuf;
use std::time::Duration;

use carebell::access::{self, Scope};
use carebell::app::{App, House, Start};
use carebell::clock::Clock;
use carebell::config::Config;
use carebell::simulator::conduct::Conduct;
use jiff::civil::DateTime;
use jiff::{SignedDuration, Timestamp};
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;

use self::carrier::{Carrier, Phone};
use self::database::Database;
use self::http::Http;

/// How long anything may take before the scenario fails: generous, since machines that test are busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(40);
/// How often a condition is looked at.
pub(crate) const LOOK: Duration = Duration::from_millis(50);

/// How a clinic is set up.
#[derive(Clone)]
pub(crate) struct Setup {
    /// What its clock shows at first.
    pub(crate) at: &'static str,
    /// Its zone.
    pub(crate) timezone: &'static str,
    /// Its carriers: the name of the provider, how the network behaves, and more lines of its settings.
    pub(crate) carriers: Vec<(&'static str, Conduct, &'static str)>,
    /// More of the config.
    pub(crate) config: &'static str,
    /// Whether its carriers count messages from 1 on, so that one's id in hex is another's in decimal.
    pub(crate) has_small_ids: bool,
    /// Its own rules instead of the shipped ones: name and text.
    pub(crate) rules: Option<Vec<(&'static str, &'static str)>>,
    /// Its own templates instead of the shipped ones of the same name: path below the folder, and text.
    pub(crate) templates: Vec<(&'static str, &'static str)>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            at: "2026-03-20 10:00",
            timezone: "Asia/Shanghai",
            carriers: vec![("main", Conduct::default(), "")],
            config: "",
            has_small_ids: false,
            rules: None,
            templates: Vec::new(),
        }
    }
}

impl Setup {
    /// The usual one with a network that behaves as `conduct` says.
    pub(crate) fn with(conduct: Conduct) -> Self {
        Self {
            carriers: vec![("main", conduct, "")],
            ..Self::default()
        }
    }
}

/// Plays `scenario` on every database at hand.
pub(crate) async fn each(setup: Setup, scenario: impl AsyncFn(&mut Clinic)) {
    for database in database::fresh().await {
        let mut clinic = Clinic::open(database, &setup).await;
        scenario(&mut clinic).await;
        clinic.close().await;
    }
}

/// The running daemon with all that is around it.
pub(crate) struct Clinic {
    /// What time it is.
    pub(crate) clock: Clock,
    /// The networks, by the name of their provider.
    carriers: Vec<(&'static str, Carrier)>,
    database: Database,
    config: String,
    base: PathBuf,
    app: Option<App>,
    is_closed: bool,
}

impl Clinic {
    async fn open(database: Database, setup: &Setup) -> Self {
        let clock = Clock::by_hand(on_the_wall(setup.timezone, setup.at));
        let mut carriers = Vec::new();
        let mut config = head(&database, setup);
        for (name, conduct, more) in &setup.carriers {
            let carrier = Carrier::start(conduct.clone(), clock.clone(), setup.has_small_ids).await;
            config += &provider(name, carrier.line.address.port(), more);
            carriers.push((*name, carrier));
        }
        config += setup.config;
        let base = database.folder.clone();
        lay_out(&base, setup);
        let mut clinic = Self {
            clock,
            carriers,
            database,
            config,
            base,
            app: None,
            is_closed: false,
        };
        clinic.start().await;
        clinic
    }

    /// Starts the app, as at the beginning or after `stop`.
    pub(crate) async fn start(&mut self) {
        assert!(self.app.is_none(), "it runs already");
        let config = Config::parse(
            "carebell.toml",
            &self.config,
            std::iter::empty(),
            self.base.clone(),
        )
        .unwrap();
        let house = House::open(config).await.unwrap();
        let problems: Vec<String> = house.problems.iter().map(ToString::to_string).collect();
        assert!(problems.is_empty(), "{problems:?}");
        let start = Start {
            clock: self.clock.clone(),
            pages: None,
            open_console: false,
        };
        self.app = Some(App::start(house, start).await.unwrap());
    }

    /// Stops the app in good order.
    pub(crate) async fn stop(&mut self) {
        self.app.take().unwrap().stop().await;
    }

    /// The running app.
    pub(crate) fn app(&self) -> &App {
        self.app.as_ref().expect("the app runs")
    }

    /// The first network.
    pub(crate) fn carrier(&self) -> &Carrier {
        &self.carriers.first().expect("a carrier").1
    }

    /// The network of a provider.
    pub(crate) fn carrier_of(&self, provider: &str) -> &Carrier {
        &self
            .carriers
            .iter()
            .find(|(name, _)| *name == provider)
            .expect("a carrier of that name")
            .1
    }

    /// The phone with that number.
    pub(crate) fn phone(&self, number: &str) -> Phone {
        let networks: Vec<_> = self
            .carriers
            .iter()
            .map(|(_, carrier)| carrier.network.clone())
            .collect();
        Phone::new(&networks, number)
    }

    /// Sets the clock to a time on the clinic's wall and lets everything take its course.
    pub(crate) async fn clock_to(&self, wall: &str) {
        let zone = self.app().house.config.site.timezone.clone();
        self.clock.set(on_the_wall(&zone, wall));
        self.settle().await;
    }

    /// Lets time pass, and everything take its course.
    pub(crate) async fn pass(&self, time: SignedDuration) {
        self.clock.advance(time);
        self.settle().await;
    }

    /// Rings all bells.
    pub(crate) fn ring(&self) {
        let bells = &self.app().bells;
        for bell in [
            &bells.plan,
            &bells.compose,
            &bells.send,
            &bells.replies,
            &bells.outbox,
            &bells.rescue,
            &bells.routing,
        ] {
            bell.ring();
        }
    }

    /// Waits until `holds`; the bells ring meanwhile.
    pub(crate) async fn until(&self, what: &str, holds: impl AsyncFn() -> bool) {
        let wait = async {
            let mut look = tokio::time::interval(LOOK);
            while !holds().await {
                self.ring();
                look.tick().await;
            }
        };
        let done = tokio::time::timeout(PATIENCE, wait).await;
        assert!(done.is_ok(), "in vain: {what}; {:?}", self.tally().await);
    }

    /// The rows of a question to the database.
    pub(crate) async fn rows<T>(&self, sql: &'static str) -> Vec<T>
    where
        T: for<'r> sqlx::FromRow<'r, SqliteRow> + for<'r> sqlx::FromRow<'r, PgRow> + Send + Unpin,
    {
        database::rows(&self.app().house.store, sql).await
    }

    /// Writes a file below the folder of the config.
    pub(crate) fn write(&self, path: &str, text: &str) {
        std::fs::write(self.base.join(path), text).unwrap();
    }

    /// Where `words` stand in what is kept: files of the database, or columns of its tables.
    pub(crate) async fn on_disk(&self, words: &str) -> Vec<String> {
        database::holding(&self.app().house.store, &self.base, words).await
    }

    /// How many messages and attempts stand where.
    pub(crate) async fn tally(&self) -> Vec<(String, i64)> {
        self.rows("SELECT state, COUNT(*) FROM message GROUP BY state UNION ALL SELECT phase, COUNT(*) FROM attempt GROUP BY phase
            UNION ALL SELECT state || ' ' || kind, COUNT(*) FROM inbox GROUP BY state, kind").await
    }

    /// The one value that the database answers with.
    pub(crate) async fn one<T>(&self, sql: &'static str) -> T
    where
        (T,): for<'r> sqlx::FromRow<'r, SqliteRow> + for<'r> sqlx::FromRow<'r, PgRow>,
        T: Send + Unpin,
    {
        let mut rows: Vec<(T,)> = self.rows(sql).await;
        assert_eq!(rows.len(), 1, "one row is expected of {sql}");
        rows.pop().unwrap().0
    }

    /// A program that speaks to the API with a key of its own.
    pub(crate) async fn http(&self) -> Http {
        let mut tx = self.app().house.store.write().await.unwrap();
        let key = access::create(&mut tx, "scenario", Scope::ALL, "test", self.clock.now())
            .await
            .unwrap();
        tx.commit().await.unwrap();
        Http::new(self.app().address, key.key.reveal())
    }

    /// Stops it all; what is left undone fails the test.
    async fn close(mut self) {
        if self.app.is_none() {
            self.start().await;
        }
        self.settle().await;
        self.stop().await;
        for (_, carrier) in &mut self.carriers {
            carrier.stop().await;
        }
        self.database.remove().await;
        self.is_closed = true;
    }
}

impl Drop for Clinic {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let kind = self.database.kind;
            eprintln!("the scenario broke on {kind}");
        } else {
            assert!(self.is_closed, "a clinic was left with work undone");
        }
    }
}

/// A time on the wall clock of `zone` as an instant.
pub(crate) fn on_the_wall(zone: &str, wall: &str) -> Timestamp {
    let wall: DateTime = wall.parse().unwrap();
    wall.in_tz(zone).unwrap().timestamp()
}

fn head(database: &Database, setup: &Setup) -> String {
    let rules = match setup.rules {
        Some(_) => PathBuf::from("rules"),
        None => shipped("rules"),
    };
    format!(
        "[site]\nname = \"Lakeside Hospital\"\ntimezone = \"{zone}\"\nlanguage = \"en\"\ncountry = \"CN\"\n\
         [http]\nlisten = \"127.0.0.1:0\"\n[metrics]\nlisten = \"127.0.0.1:0\"\n\
         [database]\nurl = \"{url}\"\nmigrate = true\n\
         [rules]\ndir = {rules:?}\n[templates]\ndir = \"templates\"\n",
        zone = setup.timezone,
        url = database.url,
    )
}

/// The settings of an SMPP provider.
pub(crate) fn provider(name: &str, port: u16, more: &str) -> String {
    format!(
        "[providers.{name}]\nchannel = \"sms\"\nkind = \"smpp\"\nhost = \"127.0.0.1\"\nport = {port}\n\
         system_id = \"carebell\"\npassword = \"secret\"\nsender = \"10690000\"\nwindow = 20\n{more}\n"
    )
}

/// A folder of the repository.
pub(crate) fn shipped(folder: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(folder)
}

fn lay_out(base: &std::path::Path, setup: &Setup) {
    let write = |path: PathBuf, text: &str| {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    for (name, text) in setup.rules.iter().flatten() {
        write(base.join("rules").join(format!("{name}.toml")), text);
    }
    for template in std::fs::read_dir(shipped("templates")).unwrap() {
        let template = template.unwrap().path();
        for file in std::fs::read_dir(&template).unwrap() {
            let file = file.unwrap().path();
            let to = base
                .join("templates")
                .join(template.file_name().unwrap())
                .join(file.file_name().unwrap());
            write(to, &std::fs::read_to_string(&file).unwrap());
        }
    }
    for (path, text) in &setup.templates {
        write(base.join("templates").join(path), text);
    }
}
