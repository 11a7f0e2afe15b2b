//! What the daemon and the verbs share: config, database, site, rules and templates, opened and checked once.

use std::sync::Arc;

use anyhow::Context as _;
use tokio::sync::watch;

use crate::app::workdays::working_days;
use crate::config::{Config, ConfigError};
use crate::intake::messages::{self, InFlight, Intake};
use crate::intake::{Clearing, SiteInfo};
use crate::planning::book::{Book, Problem};
use crate::rules::rule::Rule;
use crate::rules::site::Site;
use crate::store::messages::Desk;
use crate::store::{Store, migrate};

/// An opened house.
#[derive(Clone, Debug)]
pub struct House {
    /// The config it was opened with.
    pub config: Arc<Config>,
    /// The database, its schema up to date.
    pub store: Store,
    /// What rules take from the site.
    pub site: Arc<Site>,
    /// What reading records takes from it.
    pub info: Arc<SiteInfo>,
    /// Rules and templates.
    pub book: Arc<Book>,
    /// What was wrong with some of them: those are left out, the others work.
    pub problems: Arc<Vec<Problem>>,
    /// What plans and texts tell of the site.
    pub plans: Arc<crate::planning::House>,
    /// Routes and the address key.
    pub desk: Arc<Desk>,
}

impl House {
    /// Opens it. The database is brought up to date where the config allows that, else it must be so.
    ///
    /// # Errors
    /// When the database cannot be opened, is too old or too new, or the site's settings lead nowhere.
    pub async fn open(config: Config) -> anyhow::Result<Self> {
        let store = Store::open(&config.database.url, &config.base)
            .await
            .context("the database cannot be opened")?;
        let schema = migrate::schema(&store).await?;
        anyhow::ensure!(
            schema.unknown.is_empty(),
            "the database is of a later version (schema {}, this program knows {} and not {})",
            schema.at,
            schema.newest,
            numbers(&schema.unknown)
        );
        if !schema.missing.is_empty() {
            anyhow::ensure!(
                config.may_migrate(),
                "the database has schema {}, this program needs {} and lacks {}: run `carebell migrate`, or set `migrate = true` under [database]",
                schema.at,
                schema.newest,
                numbers(&schema.missing)
            );
            migrate::run(&store).await?;
        }
        let site = site(&config)?;
        let info = SiteInfo::open(
            &store,
            &config.site.timezone,
            &config.site.country,
            &config.intake,
            &config.base,
        )
        .await?;
        let (book, problems) = Book::load(
            &config.path(&config.rules.dir),
            &config.path(&config.templates.dir),
            &site,
        );
        let info = SiteInfo {
            clearings: clearings(&book),
            ..info
        };
        let desk = Desk {
            routes: config.routes(),
            address_key: info.address_key.clone(),
        };
        let plans = crate::planning::House {
            name: config.site.name.clone(),
            phone: config.site.phone.clone(),
            language: config.site.language.clone(),
            timezone: config.zone(),
            address_key: info.address_key.clone(),
        };
        Ok(Self {
            plans: Arc::new(plans),
            config: Arc::new(config),
            store,
            site: Arc::new(site),
            info: Arc::new(info),
            book: Arc::new(book),
            problems: Arc::new(problems),
            desk: Arc::new(desk),
        })
    }
}

impl House {
    /// What it takes to accept a message that another system or the shell enqueues.
    pub fn intake(&self) -> Intake {
        let site = messages::Site {
            name: self.config.site.name.clone(),
            timezone: self.site.timezone.clone(),
            language: self.config.site.language.clone(),
            country: self.config.site.country.clone(),
            quiet: self.site.quiet.clone(),
            caps: self.config.scheduler.caps(),
        };
        // Templates are read once for now: nobody holds the sending end.
        let (_, catalog) = watch::channel(Arc::new(self.book.catalog.clone()));
        Intake {
            store: self.store.clone(),
            desk: Arc::clone(&self.desk),
            catalog,
            site: Arc::new(site),
            in_flight: InFlight::default(),
        }
    }
}

/// What records make needless of what waits by these rules.
fn clearings(book: &Book) -> Vec<Clearing> {
    let clearing = |rule: &Rule| Clearing {
        rule: rule.id.clone(),
        fact: rule
            .stop
            .as_ref()
            .map(|stop| (stop.fact.clone(), stop.codes.clone())),
        by_visits: rule.steps.iter().any(|step| step.group.is_some()),
    };
    let all = book.active().map(clearing);
    all.filter(|one| one.fact.is_some() || one.by_visits)
        .collect()
}

/// What rules take from the config, without a database.
///
/// # Errors
/// When a table of working days cannot be read, with file, line and what was expected.
pub fn site(config: &Config) -> Result<Site, ConfigError> {
    Ok(Site {
        working_days: Arc::new(working_days(config)?),
        ..Site::new(config.zone(), config.site.country.clone())
    })
}

fn numbers(migrations: &[i64]) -> String {
    let words: Vec<String> = migrations.iter().map(i64::to_string).collect();
    words.join(", ")
}
