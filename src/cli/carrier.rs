//! `carebell carrier`: the built-in SMSC alone, for trying things out.

use std::io::Write as _;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use anyhow::Context as _;
use jiff::SignedDuration;
use jiff::tz::TimeZone;
use tokio::net::TcpListener;

use super::serve::asked_to_stop;
use crate::clock::Clock;
use crate::model::private::Private;
use crate::pages::{Guard, Language};
use crate::simulator::carrier::{Carrier, Counts};
use crate::simulator::conduct::{Account, Conduct, Receipts};
use crate::simulator::dialect::Dialect;
use crate::simulator::{pages, smsc};
use crate::stage::{self, Stop};

/// How often the counts are printed when they have changed.
const COUNT_EVERY: Duration = Duration::from_secs(5);

/// The built-in SMSC alone: takes binds, carries messages to phones in memory, sends receipts.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Where ESMEs bind.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:2775")]
    pub listen: SocketAddr,
    /// Where the phones are shown, such as 127.0.0.1:8081; without it they are not.
    #[arg(long, value_name = "ADDR")]
    pub http: Option<SocketAddr>,
    /// The spelling of receipts: plain, bare, hex_then_decimal, decimal_then_hex, capitals, alphanumeric, long_dates,
    /// missing, odd, parameters_only, none.
    #[arg(long, value_name = "DIALECT", default_value = "plain", value_parser = spelling)]
    pub receipts: Spelling,
    /// How long after delivery a receipt is sent, such as 500ms.
    #[arg(long, value_name = "TIME", default_value = "0s")]
    pub receipt_after: SignedDuration,
    /// Receipts overtake the answer to their submit.
    #[arg(long)]
    pub receipt_first: bool,
    /// How long a submit waits for its answer.
    #[arg(long, value_name = "TIME", default_value = "0s")]
    pub answer_after: SignedDuration,
    /// Of a hundred messages, how many never reach their phone.
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub undelivered: u8,
    /// Of a hundred submits, how many are told to slow down.
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub throttled: u8,
    /// Of a hundred submits, how many get no answer.
    #[arg(long, value_name = "PERCENT", default_value_t = 0, value_parser = clap::value_parser!(u8).range(0..=100))]
    pub unanswered: u8,
    /// Segments a second that an account may submit.
    #[arg(long, value_name = "N")]
    pub rate: Option<NonZeroU32>,
    /// Who may bind, as SYSTEM_ID:PASSWORD; without it anybody.
    #[arg(long, value_name = "ID:PASSWORD")]
    pub account: Vec<String>,
    /// Where chance begins.
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
}

/// A dialect, or no receipts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spelling(Option<Dialect>);

fn spelling(name: &str) -> Result<Spelling, String> {
    if name == "none" {
        return Ok(Spelling(None));
    }
    let names: Vec<&str> = Dialect::ALL
        .iter()
        .map(|(_, name)| *name)
        .chain(["none"])
        .collect();
    Dialect::parse(name)
        .map(|dialect| Spelling(Some(dialect)))
        .ok_or_else(|| format!("expected one of {}", names.join(", ")))
}

/// Runs the carrier until it is asked to stop.
///
/// # Errors
/// When it cannot listen.
pub async fn run(args: Args) -> anyhow::Result<u8> {
    let carrier = Carrier::new(conduct(&args)?, Clock::System);
    let listener = bind(args.listen, "--listen").await?;
    let (stopper, stop) = stage::stop();
    let mut out = std::io::stdout();
    writeln!(out, "Carrier: ESMEs may bind at {}", listener.local_addr()?)?;
    let serving = tokio::spawn(smsc::serve(carrier.clone(), listener, stop.clone()));
    if let Some(address) = args.http {
        let pages = bind(address, "--http").await?;
        writeln!(
            out,
            "Carrier: phones are at http://{}/phones",
            pages.local_addr()?
        )?;
        let guard = if address.ip().is_loopback() {
            Guard::Loopback
        } else {
            Guard::Open
        };
        let setting = pages::Setting {
            guard,
            timezone: TimeZone::system(),
            language: Language::English,
            ..pages::Setting::default()
        };
        let router = pages::router_with(carrier.clone(), setting);
        let stop = stop.clone();
        tokio::spawn(async move {
            axum::serve(pages, router)
                .with_graceful_shutdown(async move { stop.said().await })
                .await
        });
    }
    let counting = tokio::spawn(count(carrier, stop));
    asked_to_stop().await?;
    stopper.stop();
    serving.await.context("the carrier broke off")?;
    counting.await.context("the carrier broke off")??;
    Ok(0)
}

fn conduct(args: &Args) -> anyhow::Result<Conduct> {
    let duration = |given: SignedDuration, flag: &str| {
        Duration::try_from(given).with_context(|| format!("{flag} cannot be negative"))
    };
    let accounts = args.account.iter().map(|account| {
        let (system_id, password) = account
            .split_once(':')
            .context("--account: expected SYSTEM_ID:PASSWORD")?;
        Ok(Account {
            system_id: system_id.to_owned(),
            password: Private::new(password.to_owned()),
        })
    });
    Ok(Conduct {
        accounts: accounts.collect::<anyhow::Result<_>>()?,
        answer_after: duration(args.answer_after, "--answer-after")?,
        answers_lost: args.unanswered,
        throttled: args.throttled,
        undelivered: args.undelivered,
        segments_per_second: args.rate,
        receipts: Receipts {
            dialect: args.receipts.0.unwrap_or_default(),
            silent: args.receipts.0.is_none(),
            after: duration(args.receipt_after, "--receipt-after")?,
            before_answer: args.receipt_first,
            ..Receipts::default()
        },
        seed: args.seed,
        ..Conduct::default()
    })
}

/// Takes a port, or says which option names another.
pub(super) async fn bind(address: SocketAddr, option: &str) -> anyhow::Result<TcpListener> {
    let taken = || {
        format!(
            "{address} cannot be listened on; {option} names another address, such as {}:0 for any free port",
            address.ip()
        )
    };
    TcpListener::bind(address).await.with_context(taken)
}

/// Prints a line whenever more has passed, and one at the end.
async fn count(carrier: Carrier, stop: Stop) -> anyhow::Result<()> {
    let mut told = Counts::default();
    let mut stopping = false;
    while !stopping {
        tokio::select! {
            () = tokio::time::sleep(COUNT_EVERY) => {}
            () = stop.said() => stopping = true,
        }
        let counts = carrier.counts();
        if counts != told {
            told = counts;
            writeln!(
                std::io::stdout(),
                "Carrier: {} binds, {} submits ({} taken, {} refused, {} throttled), {} receipts, {} texts, {} handed over, {} waiting",
                counts.binds,
                counts.submits,
                counts.taken,
                counts.refused,
                counts.throttled,
                counts.receipts,
                counts.texts,
                counts.handed_over,
                carrier.waiting(),
            )?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::{Args, conduct};
    use crate::simulator::dialect::Dialect;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    #[test]
    fn the_command_line_says_how_the_network_behaves() {
        let line = [
            "carrier",
            "--receipts",
            "hex_then_decimal",
            "--receipt-after",
            "500ms",
            "--undelivered",
            "5",
            "--account",
            "a:b:c",
        ];
        let conduct = conduct(&Line::try_parse_from(line).unwrap().args).unwrap();
        assert_eq!(conduct.receipts.dialect, Dialect::HexThenDecimal);
        assert_eq!(
            (conduct.receipts.after.as_millis(), conduct.undelivered),
            (500, 5)
        );
        assert_eq!(conduct.accounts[0].password.reveal(), "b:c");
        for wrong in [
            ["--receipts", "latin"],
            ["--undelivered", "101"],
            ["--receipt-after", "soon"],
        ] {
            assert!(
                Line::try_parse_from(["carrier"].iter().chain(&wrong)).is_err(),
                "{wrong:?}"
            );
        }
    }
}
