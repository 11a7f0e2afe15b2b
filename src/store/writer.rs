//! The writer: one task through which every write of the hot path goes, with group commit.
//!
//! It commits whatever gathered while the last commit ran, as soon as it is free, and only then answers
//! (ARCHITECTURE.md, "The writer"). It never waits for more. A group that fails is done again one by one, so that one bad
//! command harms no other.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};
use tracing::error;

use super::disk::Disk;
use super::dispatch::{self, PrepareOrder, Prepared};
use super::inbox::{self, StoredText};
use super::late::{self, LateAnswer};
use super::messages::{self, Desk, NewMessage, Offered};
use super::receipts::{self, StoredReceipt};
use super::settle::{self, Settlement};
use super::{Store, StoreError, Tx};
use crate::clock::Clock;

/// How many commands may wait; past that, intake is refused and providers are slowed down.
const QUEUE: usize = 4096;
/// How many commands one commit takes.
const GROUP: usize = 500;

/// The way to the writer. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Writer {
    queue: mpsc::Sender<Command>,
    desk: watch::Sender<Arc<Desk>>,
    disk: Disk,
}

type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

#[derive(Debug)]
enum Command {
    Accept(Box<NewMessage>, Answer<Offered>),
    Prepare(PrepareOrder, Answer<Vec<Prepared>>),
    Settle(Box<Settlement>, Answer<()>),
    Receipt(Box<StoredReceipt>, Answer<()>),
    Late(LateAnswer, Answer<()>),
    Text(Box<StoredText>, Answer<()>),
}

impl Writer {
    /// Starts the writer over `store`. It ends when every handle is gone and its queue is done.
    pub fn start(store: Store, desk: Desk, clock: Clock) -> (Self, tokio::task::JoinHandle<()>) {
        let (queue, commands) = mpsc::channel(QUEUE);
        let (desk, now_desk) = watch::channel(Arc::new(desk));
        let disk = Disk::default();
        (
            Self { queue, desk, disk },
            tokio::spawn(work(store, now_desk, clock, commands)),
        )
    }

    /// Routes by `desk` from now on.
    pub fn follow(&self, desk: Arc<Desk>) {
        self.desk.send_replace(desk);
    }

    /// What is known of the disk; while it is low nothing new is accepted.
    pub const fn disk(&self) -> &Disk {
        &self.disk
    }

    /// How many commands wait.
    pub fn waiting(&self) -> usize {
        self.queue.max_capacity() - self.queue.capacity()
    }

    /// Accepts a message; it is committed when this returns.
    ///
    /// # Errors
    /// `Busy` at once when too much waits already, `DiskLow` when there is no room; else when the database fails.
    pub async fn accept(&self, message: NewMessage) -> Result<Offered, StoreError> {
        if self.disk.is_low() {
            return Err(StoreError::DiskLow);
        }
        let (answer, done) = oneshot::channel();
        let command = Command::Accept(Box::new(message), answer);
        self.queue
            .try_send(command)
            .map_err(|refused| match refused {
                mpsc::error::TrySendError::Full(_) => StoreError::Busy,
                mpsc::error::TrySendError::Closed(_) => StoreError::Closed,
            })?;
        done.await.map_err(|_| StoreError::Closed)?
    }

    /// Claims due messages and journals their attempts.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn prepare(&self, order: PrepareOrder) -> Result<Vec<Prepared>, StoreError> {
        self.ask(|answer| Command::Prepare(order, answer)).await
    }

    /// Writes down what came of an attempt.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn settle(&self, settlement: Settlement) -> Result<(), StoreError> {
        self.ask(|answer| Command::Settle(Box::new(settlement), answer))
            .await
    }

    /// Stores and applies a receipt.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn receipt(&self, receipt: StoredReceipt) -> Result<(), StoreError> {
        self.ask(|answer| Command::Receipt(Box::new(receipt), answer))
            .await
    }

    /// Applies an answer that came after its time.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn late(&self, late: LateAnswer) -> Result<(), StoreError> {
        self.ask(|answer| Command::Late(late, answer)).await
    }

    /// Stores a text.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn text(&self, text: StoredText) -> Result<(), StoreError> {
        self.ask(|answer| Command::Text(Box::new(text), answer))
            .await
    }

    async fn ask<T>(&self, command: impl FnOnce(Answer<T>) -> Command) -> Result<T, StoreError> {
        let (answer, done) = oneshot::channel();
        self.queue
            .send(command(answer))
            .await
            .map_err(|_| StoreError::Closed)?;
        done.await.map_err(|_| StoreError::Closed)?
    }
}

/// Commands of one commit, by kind: one set-based statement each.
#[derive(Default)]
struct Group {
    settles: (Vec<Settlement>, Vec<Answer<()>>),
    late: (Vec<LateAnswer>, Vec<Answer<()>>),
    receipts: (Vec<StoredReceipt>, Vec<Answer<()>>),
    texts: (Vec<StoredText>, Vec<Answer<()>>),
    accepts: (Vec<NewMessage>, Vec<Answer<Offered>>),
    prepares: (Vec<PrepareOrder>, Vec<Answer<Vec<Prepared>>>),
}

struct Done {
    offered: Vec<Offered>,
    prepared: Vec<Vec<Prepared>>,
}

async fn work(
    store: Store,
    desk: watch::Receiver<Arc<Desk>>,
    clock: Clock,
    mut commands: mpsc::Receiver<Command>,
) {
    let mut waiting = Vec::with_capacity(GROUP);
    // References of different runs should not meet: a start somewhere in the range.
    let mut umr = u16::try_from(clock.now().as_millisecond() & 0xffff).unwrap_or_default();
    while commands.recv_many(&mut waiting, GROUP).await > 0 {
        let group = Group::of(waiting.drain(..));
        let desk = Arc::clone(&desk.borrow());
        match commit(&store, &group, &desk, &clock, &mut umr).await {
            Ok(done) => group.answer(done),
            Err(problem) if group.len() == 1 => group.refuse(&problem),
            Err(problem) => {
                error!(
                    "A group of {} commands failed and is done one by one: {problem}",
                    group.len()
                );
                for single in group.singles() {
                    match commit(&store, &single, &desk, &clock, &mut umr).await {
                        Ok(done) => single.answer(done),
                        Err(problem) => single.refuse(&problem),
                    }
                }
            }
        }
    }
}

async fn commit(
    store: &Store,
    group: &Group,
    desk: &Desk,
    clock: &Clock,
    umr: &mut u16,
) -> Result<Done, StoreError> {
    let mut tx = store.write().await?;
    let done = apply(&mut tx, group, desk, clock, umr).await?;
    tx.commit().await?;
    Ok(done)
}

async fn apply(
    tx: &mut Tx,
    group: &Group,
    desk: &Desk,
    clock: &Clock,
    umr: &mut u16,
) -> Result<Done, StoreError> {
    let now = clock.now();
    settle::settle(tx, &group.settles.0, desk, now).await?;
    if !group.late.0.is_empty() {
        late::apply(tx, &group.late.0, desk, now).await?;
    }
    if !group.receipts.0.is_empty() {
        receipts::apply(tx, &group.receipts.0, desk, now).await?;
    }
    inbox::add(tx, &group.texts.0, now).await?;
    let offered = messages::insert(tx, &group.accepts.0, desk, now).await?;
    let mut prepared = Vec::new();
    for order in &group.prepares.0 {
        prepared.push(dispatch::prepare(tx, order, umr, now).await?);
    }
    Ok(Done { offered, prepared })
}

impl Group {
    fn of(commands: impl Iterator<Item = Command>) -> Self {
        let mut group = Self::default();
        for command in commands {
            group.add(command);
        }
        group
    }

    fn add(&mut self, command: Command) {
        fn push<T, A>(to: &mut (Vec<T>, Vec<A>), what: T, answer: A) {
            to.0.push(what);
            to.1.push(answer);
        }
        match command {
            Command::Accept(message, answer) => push(&mut self.accepts, *message, answer),
            Command::Prepare(order, answer) => push(&mut self.prepares, order, answer),
            Command::Settle(settlement, answer) => push(&mut self.settles, *settlement, answer),
            Command::Receipt(receipt, answer) => push(&mut self.receipts, *receipt, answer),
            Command::Late(late, answer) => push(&mut self.late, late, answer),
            Command::Text(text, answer) => push(&mut self.texts, *text, answer),
        }
    }

    fn len(&self) -> usize {
        self.settles.0.len()
            + self.late.0.len()
            + self.receipts.0.len()
            + self.texts.0.len()
            + self.accepts.0.len()
            + self.prepares.0.len()
    }

    /// Whoever no longer waits for an answer does not miss it.
    fn answer(self, done: Done) {
        let unit = [self.settles.1, self.late.1, self.receipts.1, self.texts.1];
        for answer in unit.into_iter().flatten() {
            let _ = answer.send(Ok(()));
        }
        for (answer, offered) in self.accepts.1.into_iter().zip(done.offered) {
            let _ = answer.send(Ok(offered));
        }
        for (answer, prepared) in self.prepares.1.into_iter().zip(done.prepared) {
            let _ = answer.send(Ok(prepared));
        }
    }

    fn refuse(self, problem: &StoreError) {
        let say = || match problem {
            StoreError::DiskLow => StoreError::DiskLow,
            other => StoreError::Database(other.to_string()),
        };
        for answer in [self.settles.1, self.late.1, self.receipts.1, self.texts.1]
            .into_iter()
            .flatten()
        {
            let _ = answer.send(Err(say()));
        }
        for answer in self.accepts.1 {
            let _ = answer.send(Err(say()));
        }
        for answer in self.prepares.1 {
            let _ = answer.send(Err(say()));
        }
    }

    fn singles(self) -> Vec<Self> {
        fn each<T, A>(
            pairs: (Vec<T>, Vec<A>),
            command: impl Fn(T, A) -> Command,
            into: &mut Vec<Command>,
        ) {
            into.extend(
                pairs
                    .0
                    .into_iter()
                    .zip(pairs.1)
                    .map(|(what, answer)| command(what, answer)),
            );
        }
        let mut commands = Vec::new();
        each(
            self.settles,
            |s, a| Command::Settle(Box::new(s), a),
            &mut commands,
        );
        each(self.late, Command::Late, &mut commands);
        each(
            self.receipts,
            |r, a| Command::Receipt(Box::new(r), a),
            &mut commands,
        );
        each(
            self.texts,
            |t, a| Command::Text(Box::new(t), a),
            &mut commands,
        );
        each(
            self.accepts,
            |m, a| Command::Accept(Box::new(m), a),
            &mut commands,
        );
        each(self.prepares, Command::Prepare, &mut commands);
        commands
            .into_iter()
            .map(|command| Self::of(std::iter::once(command)))
            .collect()
    }
}
