//! The phones as pages: a list, and each one's thread like on a handset, with a line to answer in.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Form, Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{get, post};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use minijinja::{AutoEscape, Environment, UndefinedBehavior, Value, context};
use tracing::error;

use super::carrier::{Bubble, Carrier, Glance, Side};
use crate::pages::{self, Guard, Language};

/// The longest text that a phone sends at once; what is longer ends there, as on a handset.
const LONGEST: usize = 1000;

/// How the pages are set up.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Who may read.
    pub guard: Guard,
    /// The wall clock of the phones.
    pub timezone: TimeZone,
    /// The language of a reader who asks for none that we have.
    pub language: Language,
    /// A page of this site to show beside each phone: what the hospital sees.
    pub beside: Option<&'static str>,
    /// The page to go back to.
    pub home: Option<&'static str>,
}

impl Default for Setting {
    fn default() -> Self {
        Self {
            guard: Guard::Open,
            timezone: TimeZone::UTC,
            language: Language::English,
            beside: None,
            home: None,
        }
    }
}

#[derive(Debug)]
struct Phones {
    carrier: Carrier,
    setting: Setting,
    english: Environment<'static>,
    chinese: Environment<'static>,
}

/// The pages below `/phones`, for anybody who reaches them, with nothing beside.
pub fn router(carrier: Carrier) -> Router {
    router_with(carrier, Setting::default())
}

/// The pages below `/phones`, set up otherwise.
pub fn router_with(carrier: Carrier, setting: Setting) -> Router {
    let guard = setting.guard;
    let phones = Phones {
        carrier,
        setting,
        english: templates(Language::English),
        chinese: templates(Language::Chinese),
    };
    Router::new()
        .route("/phones", get(list))
        .route("/phones/{id}", get(thread))
        .route("/phones/{id}/write", post(write))
        .route("/phones/{id}/switch", post(switch))
        .route("/phones/language", get(pages::switch))
        .route("/phones/assets/{name}", get(asset))
        .with_state(Arc::new(phones))
        .layer(middleware::from_fn(move |request, next| {
            guard.check(request, next)
        }))
}

async fn list(State(phones): State<Arc<Phones>>, headers: HeaderMap) -> Response {
    phones.show(&headers, None)
}

async fn thread(
    State(phones): State<Arc<Phones>>,
    Path(id): Path<u64>,
    headers: HeaderMap,
) -> Response {
    phones.carrier.look_at(id);
    phones.show(&headers, Some(id))
}

#[derive(serde::Deserialize)]
struct Written {
    text: String,
}

async fn write(
    State(phones): State<Arc<Phones>>,
    Path(id): Path<u64>,
    Form(written): Form<Written>,
) -> Response {
    let text: String = written.text.trim().chars().take(LONGEST).collect();
    match phones.carrier.phone_by_id(id) {
        Some(phone) if !text.is_empty() && phone.is_on() => phone.reply(&text),
        Some(_) | None => {}
    }
    pages::redirect(&format!("/phones/{id}"))
}

#[derive(serde::Deserialize)]
struct Switched {
    on: bool,
}

async fn switch(
    State(phones): State<Arc<Phones>>,
    Path(id): Path<u64>,
    Form(switched): Form<Switched>,
) -> Response {
    if let Some(phone) = phones.carrier.phone_by_id(id) {
        phone.switch(switched.on);
    }
    pages::redirect(&format!("/phones/{id}"))
}

async fn asset(Path(name): Path<String>, headers: HeaderMap) -> Response {
    const STYLE: &str = include_str!("assets/phones.css");
    const SCRIPT: &str = include_str!("assets/phones.js");
    match name.as_str() {
        "base.css" => pages::asset(&headers, "text/css; charset=utf-8", pages::BASE_STYLE),
        "phones.css" => pages::asset(&headers, "text/css; charset=utf-8", STYLE),
        "live.js" => pages::asset(
            &headers,
            "text/javascript; charset=utf-8",
            pages::LIVE_SCRIPT,
        ),
        "phones.js" => pages::asset(&headers, "text/javascript; charset=utf-8", SCRIPT),
        "mark.svg" => pages::asset(&headers, "image/svg+xml", pages::MARK),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

impl Phones {
    fn show(&self, headers: &HeaderMap, id: Option<u64>) -> Response {
        let language = Language::of(headers, self.setting.language);
        let all = self.carrier.phones();
        let open = id.and_then(|id| all.iter().find(|glance| glance.id == id));
        if id.is_some() && open.is_none() {
            return (
                StatusCode::NOT_FOUND,
                "There is no such phone. / 没有这部手机。",
            )
                .into_response();
        }
        let clock = |at: Timestamp| {
            at.to_zoned(self.setting.timezone.clone())
                .strftime("%H:%M")
                .to_string()
        };
        let bubbles: Vec<Value> = match open.and_then(|glance| self.carrier.phone_by_id(glance.id))
        {
            Some(phone) => phone
                .thread()
                .iter()
                .map(|one| bubble(one, &clock))
                .collect(),
            None => Vec::new(),
        };
        let content = context! {
            phones => all.iter().map(|one| glance(one, &clock)).collect::<Vec<_>>(),
            open => open.map(|one| glance(one, &clock)),
            bubbles,
            beside => self.setting.beside, home => self.setting.home,
            language => language.code(), other => language.pick("zh-CN", "en"),
            path => open.map_or("/phones".to_owned(), |one| format!("/phones/{}", one.id)),
            quick => if is_chinese(open) { QUICK_CHINESE } else { QUICK_ENGLISH }.to_vec(),
        };
        let environment = match language {
            Language::English => &self.english,
            Language::Chinese => &self.chinese,
        };
        match environment
            .get_template("phones.html")
            .and_then(|template| template.render(content))
        {
            Ok(html) => pages::page(headers, html),
            Err(problem) => {
                error!(
                    "Phones: the page cannot be made: {:?}, line {}",
                    problem.kind(),
                    problem.line().unwrap_or_default()
                );
                StatusCode::INTERNAL_SERVER_ERROR.into_response()
            }
        }
    }
}

/// Answers to send with one press, in the language that the phone was written to.
const QUICK_ENGLISH: [&str; 5] = ["1", "2", "3", "STOP", "Wrong number"];
const QUICK_CHINESE: [&str; 5] = ["1", "2", "3", "退订", "打错了"];

fn is_chinese(open: Option<&Glance>) -> bool {
    let last = open.and_then(|glance| glance.last.as_ref());
    last.map_or_else(
        || open.is_some_and(|g| has_chinese(g.owner.name.reveal())),
        |bubble| has_chinese(bubble.text.reveal()),
    )
}

fn has_chinese(text: &str) -> bool {
    text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c))
}

fn glance(one: &Glance, clock: &impl Fn(Timestamp) -> String) -> Value {
    context! {
        id => one.id, number => one.number.reveal(), name => one.owner.name.reveal(), note => one.owner.note.reveal(),
        unread => one.unread, on => one.on,
        last => one.last.as_ref().map(|last| context! { text => last.text.reveal(), at => clock(last.at), n => last.n, own => last.side == Side::Written }),
    }
}

fn bubble(one: &Bubble, clock: &impl Fn(Timestamp) -> String) -> Value {
    context! {
        n => one.n, own => one.side == Side::Written, text => one.text.reveal(), at => clock(one.at), peer => &one.peer,
        handed_over => one.handed_over,
    }
}

fn templates(language: Language) -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
    environment.add_function("t", move |key: &str| {
        text(language, key).unwrap_or(key).to_owned()
    });
    let page = include_str!("templates/phones.html");
    environment
        .add_template("phones.html", page)
        .expect("our own template parses: a test reads it");
    environment
}

fn text(language: Language, key: &str) -> Option<&'static str> {
    TEXTS
        .iter()
        .find(|(known, ..)| *known == key)
        .map(|(_, english, chinese)| language.pick(english, chinese))
}

/// Key, English, Chinese.
const TEXTS: &[(&str, &str, &str)] = &[
    ("phones", "Phones", "手机"),
    ("title", "Patients' phones", "患者的手机"),
    (
        "lead",
        "Made-up people with made-up numbers. Open one and answer.",
        "人物和号码均为虚构。打开一部手机，回复试试。",
    ),
    ("to_hospital", "To the hospital's pages", "返回医院页面"),
    ("other_language", "中文", "English"),
    ("live", "Live", "实时"),
    ("not_live", "No connection", "连接中断"),
    ("nothing", "No messages yet", "还没有短信"),
    ("unread", "unread", "条未读"),
    ("message", "Text message", "短信"),
    ("send", "Send", "发送"),
    ("quick", "Quick answers", "快捷回复"),
    ("on", "On", "开机"),
    ("off", "Off", "关机"),
    ("switch_off", "Switch off", "关机"),
    ("switch_on", "Switch on", "开机"),
    (
        "is_off",
        "This phone is off. What is sent to it arrives when it is switched on.",
        "手机已关机，开机后才会收到短信。",
    ),
    ("taken", "taken", "已送出"),
    ("on_its_way", "on its way", "发送中"),
    ("pick", "Pick a phone", "请选择一部手机"),
    (
        "pick_lead",
        "Read what the hospital wrote and answer as the patient would: 1, 2, 3, STOP, or in your own words.",
        "看看医院发来的短信，像患者一样回复：1、2、3、退订，或任何话。",
    ),
    ("hospital_side", "What the hospital sees", "医院看到的"),
    ("all_phones", "All phones", "全部手机"),
    ("you", "You", "你"),
    ("they", "Hospital", "医院"),
];

#[cfg(test)]
#[path = "pages_tests.rs"]
mod tests;
