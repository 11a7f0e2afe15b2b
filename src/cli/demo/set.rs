//! The demo's stage: a folder, a hospital's files in it, the built-in carrier on a free port, and the real daemon.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use jiff::civil::Date;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::hospital::{self, Files, ZONE};
use super::people::{BOOKINGS, PEOPLE, Person, THIS_MORNING, Who, chinese_number};
use crate::app::{App, House, Start};
use crate::clock::Clock;
use crate::config::Config;
use crate::intake::import::{self, Format, Import};
use crate::intake::report::Report;
use crate::model::private::Private;
use crate::pages::{Guard, Language};
use crate::simulator::carrier::{Carrier, Owner};
use crate::simulator::conduct::Conduct;
use crate::simulator::pages::{Setting, router_with};
use crate::simulator::smsc;
use crate::stage::{self, Stopper};
use crate::store::board;

/// How long anything in the demo may take before it counts as broken.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where the demo plays and by which clock.
pub(super) struct Place {
    /// A folder of its own.
    pub(super) folder: PathBuf,
    /// The day it plays on.
    pub(super) today: Date,
    /// What time it is there.
    pub(super) clock: Clock,
    /// Where the pages are.
    pub(super) listen: SocketAddr,
    /// The folders of rules and templates.
    pub(super) rules: PathBuf,
    pub(super) templates: PathBuf,
}

/// Everything, running.
pub(super) struct Set {
    pub(super) place: Place,
    pub(super) files: Files,
    pub(super) carrier: Carrier,
    /// There but while it is restarted.
    app: Option<App>,
    smsc: JoinHandle<()>,
    stopper: Stopper,
}

impl Set {
    /// Writes the hospital's files, starts the carrier and then the daemon.
    pub(super) async fn open(place: Place, conduct: Conduct) -> anyhow::Result<Self> {
        let files = hospital::write(&place.folder, place.today)?;
        let carrier = Carrier::new(conduct, place.clock.clone());
        people_of(&carrier, &place);
        let listener = TcpListener::bind("127.0.0.1:0")
            .await
            .context("no port is free for the carrier")?;
        let port = listener.local_addr()?.port();
        let (stopper, stop) = stage::stop();
        let smsc = tokio::spawn(smsc::serve(carrier.clone(), listener, stop));
        let config = place.folder.join("carebell.toml");
        std::fs::write(&config, settings(&place, port))
            .with_context(|| config.display().to_string())?;
        let app = start(&place, &carrier).await?;
        Ok(Self {
            place,
            files,
            carrier,
            app: Some(app),
            smsc,
            stopper,
        })
    }

    /// The running daemon.
    pub(super) fn app(&self) -> &App {
        self.app
            .as_ref()
            .expect("a restart puts it back or ends the demo")
    }

    /// Stops the daemon and starts it again on the same folder.
    pub(super) async fn restart(&mut self) -> anyhow::Result<()> {
        if let Some(app) = self.app.take() {
            app.stop().await;
        }
        self.app = Some(start(&self.place, &self.carrier).await?);
        Ok(())
    }

    /// Stops everything, the carrier last.
    pub(super) async fn close(self) {
        if let Some(app) = self.app {
            app.stop().await;
        }
        self.stopper.stop();
        let _ = self.smsc.await;
    }

    /// Imports the hospital's books as they are in its files.
    pub(super) async fn import_books(&self) -> anyhow::Result<Vec<Report>> {
        let (wishes, map) = &self.files.wishes;
        let csv = Format::Csv {
            map: Some(map.as_path()),
        };
        // Patients of the table first: the bookings in FHIR are also theirs.
        Ok(vec![
            self.import(wishes, csv).await?,
            self.import(&self.files.fhir, Format::Fhir).await?,
        ])
    }

    /// Imports what was booked this morning.
    pub(super) async fn import_morning(&self) -> anyhow::Result<Report> {
        let (morning, map) = &self.files.morning;
        self.import(
            morning,
            Format::Csv {
                map: Some(map.as_path()),
            },
        )
        .await
    }

    async fn import(&self, path: &Path, format: Format<'_>) -> anyhow::Result<Report> {
        let house = &self.app().house;
        let what = Import {
            path,
            format,
            source: None,
            dry_run: false,
        };
        let report = import::run(
            &house.store,
            what,
            &house.info,
            &house.config.intake,
            self.place.clock.now(),
            |_| {},
        )
        .await?;
        if let Some(fault) = report.faults.first() {
            anyhow::bail!("{}: {}", fault.origin, fault.expected);
        }
        self.hurry();
        Ok(report)
    }

    /// Rings every bell.
    pub(super) fn hurry(&self) {
        let bells = &self.app().bells;
        for bell in [
            &bells.plan,
            &bells.compose,
            &bells.send,
            &bells.replies,
            &bells.outbox,
        ] {
            bell.ring();
        }
    }

    /// Waits until everything that can be done by now is done and nothing is on the wire.
    pub(super) async fn settle(&self) -> anyhow::Result<()> {
        let since = Instant::now();
        let mut calm = 0;
        let mut left = board::Standing::default();
        while since.elapsed() < PATIENCE {
            self.hurry();
            tokio::time::sleep(Duration::from_millis(40)).await;
            let mut tx = self.app().house.store.read().await?;
            left = board::standing(&mut tx, self.place.clock.now()).await?;
            drop(tx);
            // More than once in a row: between two looks a stage may have handed on to the next.
            calm = if left.is_done() && self.carrier.waiting() == 0 {
                calm + 1
            } else {
                0
            };
            if calm == 3 {
                return Ok(());
            }
        }
        anyhow::bail!(
            "it did not come to rest: {left:?}, the carrier keeps {}",
            self.carrier.waiting()
        )
    }

    /// What `ask` tells, once it is something; an error names what was waited for.
    pub(super) async fn until<T>(
        &self,
        what: &str,
        ask: impl AsyncFn(&Self) -> anyhow::Result<Option<T>>,
    ) -> anyhow::Result<T> {
        let since = Instant::now();
        while since.elapsed() < PATIENCE {
            if let Some(found) = ask(self).await? {
                return Ok(found);
            }
            self.hurry();
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        anyhow::bail!("waited in vain for {what}")
    }
}

async fn start(place: &Place, carrier: &Carrier) -> anyhow::Result<App> {
    let config = Config::load(
        Some(&place.folder.join("carebell.toml")),
        std::iter::empty(),
    )?;
    let house = House::open(config).await?;
    let guard = if place.listen.ip().is_loopback() {
        Guard::Loopback
    } else {
        Guard::Open
    };
    let setting = Setting {
        guard,
        timezone: house.site.timezone.clone(),
        language: Language::English,
        beside: Some("/console/beside"),
        home: Some("/"),
    };
    let pages = Some(router_with(carrier.clone(), setting));
    App::start(
        house,
        Start {
            clock: place.clock.clone(),
            pages,
            open_console: true,
        },
    )
    .await
}

/// The demo's config: a real one, to look at and to use beside it.
fn settings(place: &Place, port: u16) -> String {
    let text = |path: &Path| toml::Value::String(path.display().to_string());
    let (rules, templates) = (text(&place.rules), text(&place.templates));
    format!(
        "# Written by `carebell demo`. Other verbs work beside it: carebell --config {config} check\n\
        [site]\nname = \"Demo Hospital\"\ntimezone = \"{ZONE}\"\nlanguage = \"zh-CN\"\ncountry = \"CN\"\n\n\
        [http]\nlisten = \"{listen}\"\n\n[metrics]\nlisten = \"127.0.0.1:0\"\n\n\
        [database]\nurl = \"sqlite://carebell.db\"\n\n[rules]\ndir = {rules}\n\n[templates]\ndir = {templates}\n\n\
        # The built-in carrier, over real SMPP.\n\
        [providers.carrier]\nchannel = \"sms\"\nkind = \"smpp\"\nhost = \"127.0.0.1\"\nport = {port}\nsystem_id = \"carebell\"\n\
        password = \"demo\"\nsender = \"10690000\"\n\n\
        [intake]\nsensitive = {{ codes = [\"B20\", \"F2\"] }}\n",
        config = place.folder.join("carebell.toml").display(),
        listen = place.listen,
    )
}

/// Tells the carrier who holds which phone, so that all are in the list before the first text.
fn people_of(carrier: &Carrier, place: &Place) {
    let owner = |name: String, note: String| Owner {
        name: Private::new(name),
        note: Private::new(note),
    };
    for person in PEOPLE {
        if let Some(number) = person.number() {
            carrier.register(&number, owner(person.name(), note(person, place.today)));
        }
        let family = match person.who {
            Who::Minor(name, nr) => Some((name, nr, format!("{}的监护人", person.name()))),
            Who::ByFamily(name, nr) => Some((name, nr, format!("{}的家人", person.name()))),
            Who::Plain
            | Who::Diabetic
            | Who::OptedOut
            | Who::Lunar(..)
            | Who::Deceased
            | Who::Sensitive => None,
        };
        if let Some((name, nr, note)) = family {
            carrier.register(&chinese_number(nr), owner(name.to_owned(), note));
        }
    }
}

/// What a person waits for, in their language.
fn note(person: &Person, today: Date) -> String {
    use jiff::ToSpan as _;
    let all = BOOKINGS
        .iter()
        .chain(THIS_MORNING.iter().map(|fresh| &fresh.booking));
    let Some(booking) = all
        .into_iter()
        .find(|booking| booking.patient == person.key)
    else {
        return String::new();
    };
    let day = today
        .checked_add(i64::from(booking.days).days())
        .unwrap_or(today);
    if person.is_chinese() {
        format!("{}月{}日 {}", day.month(), day.day(), booking.clock)
    } else {
        format!("{} {}", day.strftime("%-d %b"), booking.clock)
    }
}
