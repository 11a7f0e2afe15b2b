//! The line to a carrier: it can be cut, and what comes back can be held up.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What the line does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Weather {
    /// It carries both ways.
    Fair,
    /// It carries to the carrier; what comes back waits.
    OneWay,
    /// It carries nothing, and who dials is hung up on.
    Cut,
}

/// A line through which one dials the carrier.
pub(crate) struct Line {
    /// Where one dials.
    pub(crate) address: SocketAddr,
    weather: watch::Sender<Weather>,
    made: Arc<AtomicUsize>,
}

impl Line {
    /// A line to `carrier`.
    pub(crate) async fn to(carrier: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let weather = watch::Sender::new(Weather::Fair);
        let made = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&made);
        tokio::spawn(carry(listener, carrier, weather.subscribe(), count));
        Self {
            address,
            weather,
            made,
        }
    }

    /// How many connections were made to the carrier so far.
    pub(crate) fn made(&self) -> usize {
        self.made.load(Ordering::Relaxed)
    }

    /// Carries both ways again.
    pub(crate) fn mend(&self) {
        self.weather.send_replace(Weather::Fair);
    }

    /// Breaks every connection and lets none come up.
    pub(crate) fn cut(&self) {
        self.weather.send_replace(Weather::Cut);
    }

    /// Holds up what comes from the carrier.
    pub(crate) fn hold_answers(&self) {
        self.weather.send_replace(Weather::OneWay);
    }
}

async fn carry(
    listener: TcpListener,
    carrier: SocketAddr,
    weather: watch::Receiver<Weather>,
    made: Arc<AtomicUsize>,
) {
    while let Ok((ours, _)) = listener.accept().await {
        if *weather.borrow() == Weather::Cut {
            continue;
        }
        let Ok(theirs) = TcpStream::connect(carrier).await else {
            continue;
        };
        made.fetch_add(1, Ordering::Relaxed);
        ours.set_nodelay(true).unwrap();
        theirs.set_nodelay(true).unwrap();
        let mut end = weather.clone();
        let weather = weather.clone();
        tokio::spawn(async move {
            let ((up, down), (back, forth)) = (ours.into_split(), theirs.into_split());
            tokio::select! {
                () = copy(up, forth, &[Weather::Fair, Weather::OneWay], weather.clone()) => {}
                () = copy(back, down, &[Weather::Fair], weather) => {}
                _ = end.wait_for(|weather| *weather == Weather::Cut) => {}
            }
        });
    }
}

/// Copies while the weather is one of `open`, until either side ends.
async fn copy(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    open: &[Weather],
    mut weather: watch::Receiver<Weather>,
) {
    let mut some = vec![0; 4096];
    while let Ok(n @ 1..) = from.read(&mut some).await {
        let is_open = weather
            .wait_for(|weather| open.contains(weather))
            .await
            .is_ok();
        if !is_open || to.write_all(&some[..n]).await.is_err() {
            return;
        }
    }
}
