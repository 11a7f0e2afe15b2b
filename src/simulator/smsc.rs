//! Lets ESMEs bind to the carrier over TCP, with the same SMPP session that we dial with.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tracing::{debug, info, warn};

use super::carrier::{Answer, Carrier, Delivery, Verdict};
use super::wire;
use crate::channels::sms::smpp::pdu::{Bind, Body, Sm, SmResp};
use crate::channels::sms::smpp::server::{Link, accept};
use crate::channels::sms::smpp::session::outcome::Outcome;
use crate::channels::sms::smpp::session::{Halves, Options, Request, Session, Slot};
use crate::channels::sms::smpp::status::Status;
use crate::stage::Stop;

/// What the carrier calls itself in bind responses.
const OWN_ID: &str = "carebell-carrier";
/// Connections at once.
const LINKS: usize = 256;
/// Answers held back at once, by connection.
const HELD_BACK: usize = 10_000;
/// How long a peer may take to bind.
const BIND_WITHIN: Duration = Duration::from_secs(10);
/// How long leave-taking may last.
const CLOSE_WITHIN: Duration = Duration::from_secs(2);

/// Serves `carrier` on `listener` until told to stop.
pub async fn serve(carrier: Carrier, listener: TcpListener, stop: Stop) {
    let room = Arc::new(Semaphore::new(LINKS));
    let mut links = JoinSet::new();
    let mut second = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            () = stop.said() => break,
            _ = second.tick() => carrier.sweep(),
            Some(_) = links.join_next() => {}
            taken = listener.accept() => match (taken, Arc::clone(&room).try_acquire_owned()) {
                (Ok((stream, _)), Ok(place)) => {
                    let (carrier, stop) = (carrier.clone(), stop.clone());
                    links.spawn(async move {
                        talk(carrier, stream, stop).await;
                        drop(place);
                    });
                }
                (Ok(_), Err(_)) => warn!("Carrier has {LINKS} connections and takes no more"),
                (Err(problem), _) => {
                    // Out of file handles, mostly: without a rest this would spin.
                    warn!("Carrier cannot take a connection: {problem}");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
        }
    }
    while links.join_next().await.is_some() {}
}

async fn talk(carrier: Carrier, stream: tokio::net::TcpStream, stop: Stop) {
    let options = Options {
        busy: Status::RTHROTTLED,
        window: 20,
        ..Options::default()
    };
    let check = |_, bind: Bind| {
        let known = carrier.admits(&bind.system_id.to_text(), &bind.password.to_text());
        async move {
            if known {
                Ok(())
            } else {
                Err(Status::RBINDFAIL)
            }
        }
    };
    let link = match accept(Halves::tcp(stream), options, OWN_ID, BIND_WITHIN, check).await {
        Ok(link) => link,
        Err(problem) => {
            info!("Carrier let a peer go: {problem}");
            return;
        }
    };
    let account = link.system_id().to_owned();
    info!(esme.account = %account, "Carrier: {account} is bound as {:?}", link.kind());
    let session = link.session().clone();
    let feeding = link
        .kind()
        .receives()
        .then(|| tokio::spawn(feed(carrier.clone(), session.clone(), account.clone())));
    tokio::select! {
        () = listen(&carrier, link, &account) => {}
        () = stop.said() => session.close(CLOSE_WITHIN).await,
    }
    if let Some(feeding) = feeding {
        // It ends with its session and puts back what was not acknowledged.
        let _ = feeding.await;
    }
    let counts = carrier.counts();
    info!(esme.account = %account, "Carrier: {account} is gone; {} taken, {} handed over so far", counts.taken, counts.handed_over);
}

/// Answers what the ESME asks.
async fn listen(carrier: &Carrier, mut link: Link, account: &str) {
    let held_back = Arc::new(Semaphore::new(HELD_BACK));
    while let Some(request) = link.next().await {
        match &request.pdu.body {
            Body::SubmitSm(sm) | Body::DataSm(sm) => {
                let sm = sm.clone();
                take(carrier, request, &sm, account, &held_back).await;
            }
            Body::QuerySm(_) => request.answer(Status::RQUERYFAIL).await,
            Body::CancelSm(_) => request.answer(Status::RCANCELFAIL).await,
            _ => request.answer(Status::RINVCMDID).await,
        }
    }
}

async fn take(
    carrier: &Carrier,
    request: Request,
    sm: &Sm,
    account: &str,
    held_back: &Arc<Semaphore>,
) {
    let alphabet = carrier.alphabet();
    let (verdict, aftermath) = carrier.submit(wire::read(account, sm, alphabet, carrier.now()));
    if verdict.after.is_zero() && !carrier.overtakes() {
        answer(request, verdict).await;
        carrier.follow(aftermath);
        return;
    }
    // The semaphore is never closed.
    let place = Arc::clone(held_back)
        .acquire_owned()
        .await
        .expect("nobody closes it");
    let carrier = carrier.clone();
    tokio::spawn(async move {
        let mut aftermath = Some(aftermath);
        if carrier.overtakes() {
            aftermath.take().into_iter().for_each(|a| carrier.follow(a));
        }
        tokio::time::sleep(verdict.after).await;
        answer(request, verdict).await;
        aftermath.into_iter().for_each(|a| carrier.follow(a));
        drop(place);
    });
}

async fn answer(request: Request, verdict: Verdict) {
    match verdict.answer {
        None => {}
        Some(Answer::Refused { status }) => request.answer(Status(status)).await,
        Some(Answer::Taken { message_id }) => {
            let resp = SmResp {
                message_id: message_id.into(),
                ..SmResp::default()
            };
            let body = match &request.pdu.body {
                Body::DataSm(_) => Body::DataSmResp(resp),
                _ => Body::SubmitSmResp(resp),
            };
            request.answer_with(Status::ROK, body).await;
        }
    }
}

/// Hands over what the carrier has for this account, as fast as the ESME acknowledges it.
async fn feed(carrier: Carrier, session: Session, account: String) {
    let mut on_the_way = JoinSet::new();
    loop {
        let delivery = tokio::select! {
            delivery = carrier.next(&account) => delivery,
            _ = session.closed() => break,
            Some(_) = on_the_way.join_next() => continue,
        };
        // Taken after the delivery: an idle feed that held room would delay the session's leave-taking.
        let Some(slot) = session.slot().await else {
            carrier.settle(&account, delivery, false);
            break;
        };
        let (carrier, session, account) = (carrier.clone(), session.clone(), account.clone());
        on_the_way.spawn(async move {
            let acknowledged = hand_over(&carrier, &session, slot, &delivery).await;
            carrier.settle(&account, delivery, acknowledged);
        });
    }
    while on_the_way.join_next().await.is_some() {}
}

/// Hands over all parts of `delivery`; true when the ESME has acknowledged each.
async fn hand_over(carrier: &Carrier, session: &Session, slot: Slot, delivery: &Delivery) -> bool {
    let mut slot = Some(slot);
    for sm in wire::write(delivery, &carrier.conduct()) {
        let body = Body::DeliverSm(Box::new(sm));
        let outcome = match slot.take() {
            Some(slot) => session.request_in(slot, body).await,
            None => session.request(body).await,
        };
        match outcome {
            Outcome::Acked(_) => {}
            Outcome::Rejected(status) => {
                debug!("Carrier: the ESME refused a delivery with {status}");
                return false;
            }
            Outcome::NotSent(_) | Outcome::Unknown(_) => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::net::{TcpListener, TcpStream};
    use tokio::sync::mpsc;

    use super::serve;
    use crate::channels::sms::coding;
    use crate::channels::sms::receipt;
    use crate::channels::sms::smpp::client::{BindError, bind};
    use crate::channels::sms::smpp::octets::Octets;
    use crate::channels::sms::smpp::pdu::{Address, Bind, BindKind, Body, Sm};
    use crate::channels::sms::smpp::session::outcome::Outcome;
    use crate::channels::sms::smpp::session::{Halves, Options, Request, Session};
    use crate::channels::sms::smpp::status::Status;
    use crate::clock::Clock;
    use crate::model::private::Private;
    use crate::model::provider_id::canonical;
    use crate::model::receipt::ReceiptStatus;
    use crate::segments::encode_ucs2;
    use crate::segments::split::DefaultAlphabet::Gsm7;
    use crate::simulator::carrier::Carrier;
    use crate::simulator::conduct::{Account, Conduct, Receipts};
    use crate::simulator::dialect::Dialect;
    use crate::stage::{self, Stopper};

    const WITHIN: Duration = Duration::from_secs(10);

    async fn start(
        conduct: Conduct,
    ) -> (
        Carrier,
        std::net::SocketAddr,
        Stopper,
        tokio::task::JoinHandle<()>,
    ) {
        let carrier = Carrier::new(conduct, Clock::System);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stopper, stop) = stage::stop();
        let served = tokio::spawn(serve(carrier.clone(), listener, stop));
        (carrier, address, stopper, served)
    }

    async fn dial(
        address: std::net::SocketAddr,
        password: &str,
    ) -> (Session, mpsc::Receiver<Request>, Result<(), BindError>) {
        let (inbound, requests) = mpsc::channel(64);
        let session = Session::start(
            Halves::tcp(TcpStream::connect(address).await.unwrap()),
            Options::default(),
            inbound,
        );
        let who = Bind {
            system_id: "carebell".into(),
            password: password.into(),
            ..Bind::default()
        };
        let bound = bind(&session, BindKind::Transceiver, who, WITHIN)
            .await
            .map(|_| ());
        (session, requests, bound)
    }

    fn submit(text: &str) -> Body {
        let address = |addr: &str| Address {
            ton: 1,
            npi: 1,
            addr: addr.into(),
        };
        Body::SubmitSm(Box::new(Sm {
            source: address("10690000"),
            dest: address("8613800000001"),
            data_coding: coding::UCS2,
            registered_delivery: 1,
            short_message: Octets::from(encode_ucs2(text)),
            ..Sm::default()
        }))
    }

    fn sm(request: &Request) -> Sm {
        match &request.pdu.body {
            Body::DeliverSm(sm) => (**sm).clone(),
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_text_goes_out_and_its_receipt_and_the_answer_come_back_over_a_real_socket() {
        let (carrier, address, stopper, served) = start(Conduct::default()).await;
        let (session, mut requests, bound) = dial(address, "any").await;
        assert_eq!(bound, Ok(()));
        let Outcome::Acked(Body::SubmitSmResp(resp)) = session.request(submit("请回复1确认")).await
        else {
            panic!("not taken")
        };
        assert_eq!(
            carrier.phone("+8613800000001").last_text(),
            Some(Private::new("请回复1确认".to_owned()))
        );

        let heard = requests.recv().await.unwrap();
        let read = receipt::read(&sm(&heard)).unwrap();
        assert!(
            read.network
                .provider_ids
                .contains(&canonical(&resp.message_id.to_text()))
        );
        assert_eq!(read.network.status, ReceiptStatus::Delivered);
        heard.answer(Status::ROK).await;

        carrier.phone("+8613800000001").reply("1");
        let refused = requests.recv().await.unwrap();
        refused.answer(Status::RX_T_APPN).await;
        let again = requests.recv().await.unwrap();
        assert_eq!(again.pdu.body, Body::DeliverSm(Box::new(sm(&again))));
        assert_eq!(coding::decode(sm(&again).user_data(), 0, Gsm7), "1");
        again.answer(Status::ROK).await;
        assert!(
            carrier
                .until(WITHIN, |carrier| carrier
                    .phone("+8613800000001")
                    .thread()
                    .iter()
                    .all(|b| b.handed_over))
                .await
        );
        stopper.stop();
        served.await.unwrap();
    }

    #[tokio::test]
    async fn only_who_is_known_may_bind() {
        let accounts = vec![Account {
            system_id: "carebell".to_owned(),
            password: Private::new("right".to_owned()),
        }];
        let (carrier, address, _stopper, _) = start(Conduct {
            accounts,
            ..Conduct::default()
        })
        .await;
        assert_eq!(
            dial(address, "wrong").await.2,
            Err(BindError::Refused(Status::RBINDFAIL))
        );
        assert_eq!(dial(address, "right").await.2, Ok(()));
        assert_eq!(carrier.counts().binds, 1);
    }

    #[tokio::test]
    async fn a_receipt_can_overtake_its_answer_and_speak_any_dialect() {
        for (dialect, _) in Dialect::ALL {
            let receipts = Receipts {
                dialect: *dialect,
                before_answer: true,
                ..Receipts::default()
            };
            let (_carrier, address, _stopper, _) = start(Conduct {
                receipts,
                ..Conduct::default()
            })
            .await;
            let (session, mut requests, _) = dial(address, "any").await;
            let answer = session.request(submit("hello"));
            tokio::pin!(answer);
            let heard = tokio::select! {
                heard = requests.recv() => heard.unwrap(),
                _ = &mut answer => panic!("the answer came first"),
            };
            let read = receipt::read(&sm(&heard)).unwrap();
            heard.answer(Status::ROK).await;
            let Outcome::Acked(Body::SubmitSmResp(resp)) = answer.await else {
                panic!("not taken")
            };
            assert!(
                read.network
                    .provider_ids
                    .contains(&canonical(&resp.message_id.to_text())),
                "{dialect:?}"
            );
            assert_eq!(read.network.status, ReceiptStatus::Delivered, "{dialect:?}");
        }
    }

    #[tokio::test]
    async fn what_was_not_acknowledged_comes_again_on_the_next_bind() {
        let (carrier, address, _stopper, _) = start(Conduct::default()).await;
        carrier.phone("+8613800000001").write_to("10690000", "在吗");
        let (session, mut requests, _) = dial(address, "any").await;
        let lost = requests.recv().await.unwrap();
        session.hang_up().await;
        drop(lost);
        let (_session, mut requests, _) = dial(address, "any").await;
        let heard = requests.recv().await.unwrap();
        assert_eq!(
            coding::decode(sm(&heard).user_data(), sm(&heard).data_coding, Gsm7),
            "在吗"
        );
    }
}
