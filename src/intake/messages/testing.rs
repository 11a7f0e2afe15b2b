//! A site for tests: Demo Hospital in Shanghai, quiet from nine to eight, two routes, two templates.

use std::sync::Arc;

use jiff::civil::time;
use jiff::tz::TimeZone;
use tokio::sync::watch;

use super::{InFlight, Intake, Site};
use crate::calendar::quiet::QuietHours;
use crate::gates::Caps;
use crate::model::class::{Channel, Class};
use crate::model::route::{Route, Routes};
use crate::render::Catalog;
use crate::store::Store;
use crate::store::messages::Desk;

const TEMPLATES: [(&str, &str); 2] = [
    (
        "visit/en.sms.txt",
        "{{ patient.name }}, see you at {{ time }}.",
    ),
    ("plain/en.sms.txt", "Hello at {{ data.time }}."),
];

/// An intake into `store`.
pub(crate) fn intake(store: &Store) -> Intake {
    let files = TEMPLATES.map(|(path, text)| (path.to_owned(), text.to_owned()));
    let (catalog, errors) = Catalog::load(files);
    assert!(errors.is_empty(), "{errors:?}");
    let (_, catalog) = watch::channel(Arc::new(catalog));
    Intake {
        store: store.clone(),
        desk: Arc::new(desk()),
        catalog,
        site: Arc::new(site()),
        in_flight: InFlight::default(),
    }
}

/// Routes for SMS and mail; nothing carries calls.
pub(crate) fn desk() -> Desk {
    let route = |channel, provider: &str| {
        Route::in_order(channel, String::new(), vec![provider.to_owned()])
    };
    Desk {
        routes: Routes::new(vec![
            route(Channel::Sms, "main"),
            route(Channel::Email, "post"),
        ]),
        address_key: b"bench".to_vec(),
    }
}

fn site() -> Site {
    let night = QuietHours {
        from: time(21, 0, 0, 0),
        to: time(8, 0, 0, 0),
        pull_back_to: time(20, 0, 0, 0),
    };
    Site {
        name: "Demo Hospital".to_owned(),
        timezone: TimeZone::get("Asia/Shanghai").expect("the zone is in every database of zones"),
        language: "en".to_owned(),
        country: "CN".to_owned(),
        quiet: Class::ALL.iter().map(|class| (*class, night)).collect(),
        caps: Caps::default(),
    }
}
