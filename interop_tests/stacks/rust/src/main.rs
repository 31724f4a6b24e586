//! The driver of zmq.rs: does what its standard input says, a line at a time (minizmtp/check/program.py says what).

use std::collections::HashMap;
use std::convert::TryFrom;
use std::io::{BufRead, Write};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::timeout;
use zeromq::util::PeerIdentity;
use zeromq::*;

const SEND_TIMEOUT: Duration = Duration::from_secs(2);

enum Any {
    Pub(PubSocket),
    Sub(SubSocket),
    XPub(XPubSocket),
    XSub(XSubSocket),
    Req(ReqSocket),
    Rep(RepSocket),
    Dealer(DealerSocket),
    Router(RouterSocket),
    Push(PushSocket),
    Pull(PullSocket),
}

macro_rules! all {
    ($any:expr, $socket:ident => $does:expr) => {
        match $any {
            Any::Pub($socket) => $does,
            Any::Sub($socket) => $does,
            Any::XPub($socket) => $does,
            Any::XSub($socket) => $does,
            Any::Req($socket) => $does,
            Any::Rep($socket) => $does,
            Any::Dealer($socket) => $does,
            Any::Router($socket) => $does,
            Any::Push($socket) => $does,
            Any::Pull($socket) => $does,
        }
    };
}

enum Failure {
    No(String),
    None,
    Error(String),
}

type Answer = Result<String, Failure>;

fn failed(error: ZmqError) -> Failure {
    Failure::Error(error.to_string().replace('\n', " "))
}

fn no(words: &str) -> Failure {
    Failure::No(words.to_string())
}

fn decoded(words: &[&str]) -> Vec<Bytes> {
    words
        .iter()
        .map(|word| {
            let hex = if *word == "-" { "" } else { word };
            let octets: Vec<u8> = (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect();
            Bytes::from(octets)
        })
        .collect()
}

fn encoded(message: ZmqMessage) -> String {
    let words: Vec<String> = message
        .into_vec()
        .iter()
        .map(|frame| if frame.is_empty() { "-".to_string() } else { frame.iter().map(|octet| format!("{octet:02x}")).collect() })
        .collect();
    words.join(" ")
}

fn numbered(number: u32, size: usize) -> Bytes {
    let mut body = vec![0; size];
    body[..4].copy_from_slice(&number.to_be_bytes());
    Bytes::from(body)
}

fn make(kind: &str, words: &[&str]) -> Result<Any, Failure> {
    let mut options = SocketOptions::default();
    for word in words {
        let (name, value) = word.split_once('=').unwrap();
        if name != "routing_id" {
            return Err(no(&format!("there is no option {name}")));
        }
        options.peer_identity(PeerIdentity::try_from(decoded(&[value])[0].to_vec()).map_err(|error| Failure::Error(error.to_string()))?);
    }
    Ok(match kind {
        "PUB" => Any::Pub(PubSocket::with_options(options)),
        "SUB" => Any::Sub(SubSocket::with_options(options)),
        "XPUB" => Any::XPub(XPubSocket::with_options(options)),
        "XSUB" => Any::XSub(XSubSocket::with_options(options)),
        "REQ" => Any::Req(ReqSocket::with_options(options)),
        "REP" => Any::Rep(RepSocket::with_options(options)),
        "DEALER" => Any::Dealer(DealerSocket::with_options(options)),
        "ROUTER" => Any::Router(RouterSocket::with_options(options)),
        "PUSH" => Any::Push(PushSocket::with_options(options)),
        "PULL" => Any::Pull(PullSocket::with_options(options)),
        _ => return Err(no(&format!("there is no {kind}"))),
    })
}

async fn send(socket: &mut Any, message: ZmqMessage) -> Result<(), Failure> {
    let sent = match socket {
        Any::Pub(it) => timeout(SEND_TIMEOUT, it.send(message)).await,
        Any::XPub(it) => timeout(SEND_TIMEOUT, it.send(message)).await,
        Any::XSub(it) => timeout(SEND_TIMEOUT, it.send(message)).await,
        Any::Req(it) => timeout(SEND_TIMEOUT, it.send(message)).await,
        Any::Rep(it) => timeout(SEND_TIMEOUT, it.send(message)).await,
        Any::Dealer(it) => timeout(SEND_TIMEOUT, it.send(message)).await,
        Any::Router(it) => timeout(SEND_TIMEOUT, it.send(message)).await,
        Any::Push(it) => timeout(SEND_TIMEOUT, it.send(message)).await,
        Any::Sub(_) | Any::Pull(_) => return Err(no("it does not send")),
    };
    match sent {
        Err(_) => Err(Failure::None),
        // Its way to say that no peer is there yet.
        Ok(Err(ZmqError::ReturnToSender { .. })) => Err(Failure::None),
        Ok(result) => result.map_err(failed),
    }
}

async fn receive(socket: &mut Any, patience: Duration) -> Result<ZmqMessage, Failure> {
    let received = match socket {
        Any::Sub(it) => timeout(patience, it.recv()).await,
        Any::XPub(it) => timeout(patience, it.recv()).await,
        Any::XSub(it) => timeout(patience, it.recv()).await,
        Any::Req(it) => timeout(patience, it.recv()).await,
        Any::Rep(it) => timeout(patience, it.recv()).await,
        Any::Dealer(it) => timeout(patience, it.recv()).await,
        Any::Router(it) => timeout(patience, it.recv()).await,
        Any::Pull(it) => timeout(patience, it.recv()).await,
        Any::Pub(_) | Any::Push(_) => return Err(no("it does not receive")),
    };
    match received {
        Err(_) => Err(Failure::None),
        Ok(result) => result.map_err(failed),
    }
}

async fn send_in_time(socket: &mut Any, message: ZmqMessage) -> Result<(), Failure> {
    for _ in 0..100 {
        match send(socket, message.clone()).await {
            Err(Failure::None) => tokio::time::sleep(Duration::from_millis(20)).await,
            other => return other,
        }
    }
    Err(Failure::None)
}

struct Driver {
    sockets: HashMap<String, Arc<Mutex<Any>>>,
    count: u32,
}

impl Driver {
    /// The socket with that number; "none" if its handshake takes too long.
    async fn socket(&mut self, number: &str) -> Result<OwnedMutexGuard<Any>, Failure> {
        let socket = self.sockets.get(number).ok_or_else(|| Failure::Error(format!("no socket {number}")))?;
        timeout(SEND_TIMEOUT, socket.clone().lock_owned()).await.map_err(|_| Failure::None)
    }

    async fn answer(&mut self, words: &[&str]) -> Answer {
        match words {
            ["name"] => Ok("zmq.rs 0.7.0".to_string()),
            ["socket", kind, options @ ..] => {
                let socket = make(kind, options)?;
                self.count += 1;
                self.sockets.insert(self.count.to_string(), Arc::new(Mutex::new(socket)));
                Ok(self.count.to_string())
            }
            ["bind", number, endpoint] => {
                let found = all!(&mut *self.socket(number).await?, it => it.bind(endpoint).await).map_err(failed)?;
                Ok(found.to_string())
            }
            ["connect", number, endpoint] => {
                // Its connect waits for the handshake, which goes on behind the answer.
                let mut socket = self.socket(number).await?;
                let endpoint = endpoint.to_string();
                let task = tokio::spawn(async move { all!(&mut *socket, it => it.connect(&endpoint).await) });
                match timeout(Duration::from_millis(20), task).await {
                    Ok(Ok(result)) => result.map(|_| String::new()).map_err(failed),
                    _ => Ok(String::new()),
                }
            }
            ["send", number, frames @ ..] => {
                let message = ZmqMessage::try_from(decoded(frames)).map_err(|_| Failure::Error("no frames".to_string()))?;
                send_in_time(&mut *self.socket(number).await?, message).await.map(|_| String::new())
            }
            ["recv", number, patience] => {
                let patience = Duration::from_millis(patience.parse().unwrap());
                receive(&mut *self.socket(number).await?, patience).await.map(encoded)
            }
            ["subscribe", number, prefix] => {
                let prefix = String::from_utf8(decoded(&[prefix])[0].to_vec()).map_err(|_| no("prefixes are text"))?;
                match &mut *self.socket(number).await? {
                    Any::Sub(it) => it.subscribe(&prefix).await.map_err(failed)?,
                    _ => return Err(no("it does not subscribe")),
                }
                Ok(String::new())
            }
            ["unsubscribe", number, prefix] => {
                let prefix = String::from_utf8(decoded(&[prefix])[0].to_vec()).map_err(|_| no("prefixes are text"))?;
                match &mut *self.socket(number).await? {
                    Any::Sub(it) => it.unsubscribe(&prefix).await.map_err(failed)?,
                    _ => return Err(no("it does not subscribe")),
                }
                Ok(String::new())
            }
            ["flood", number, count, size] => {
                let mut socket = self.socket(number).await?;
                for i in 0..count.parse::<u32>().unwrap() {
                    send_in_time(&mut socket, ZmqMessage::from(numbered(i, size.parse().unwrap()))).await?;
                }
                Ok(String::new())
            }
            ["drain", number, count, size, patience] => {
                let mut socket = self.socket(number).await?;
                let patience = Duration::from_millis(patience.parse().unwrap());
                for i in 0..count.parse::<u32>().unwrap() {
                    match receive(&mut socket, patience).await {
                        Ok(message) if message.len() == 1 && message.get(0) == Some(&numbered(i, size.parse().unwrap())) => {}
                        Ok(_) | Err(Failure::None) => return Ok(i.to_string()),
                        Err(other) => return Err(other),
                    }
                }
                Ok(count.to_string())
            }
            ["close", number] => {
                self.sockets.remove(*number);
                Ok(String::new())
            }
            _ => Err(no(&format!("there is no {}", words.join(" ")))),
        }
    }
}

#[tokio::main]
async fn main() {
    let mut driver = Driver { sockets: HashMap::new(), count: 0 };
    let (lines, mut heard) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            if line.is_err() || lines.send(line.unwrap()).is_err() {
                break;
            }
        }
    });
    while let Some(line) = heard.recv().await {
        let words: Vec<&str> = line.split_whitespace().collect();
        let answer = match driver.answer(&words).await {
            Ok(rest) => format!("ok {rest}"),
            Err(Failure::No(why)) => format!("no {why}"),
            Err(Failure::None) => "none".to_string(),
            Err(Failure::Error(why)) => format!("error {why}"),
        };
        println!("{}", answer.trim_end());
        let _ = std::io::stdout().flush();
    }
    std::process::exit(0);
}
