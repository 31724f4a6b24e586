//! The driver of rzmq: does what its standard input says, a line at a time (minizmtp/check/program.py says what).

use std::collections::HashMap;
use std::io::{BufRead, Write};
use std::time::Duration;

use rzmq::socket::options::*;
use rzmq::{Context, Msg, MsgFlags, Socket, SocketType, ZmqError};
use tokio::time::timeout;

const SEND_TIMEOUT: Duration = Duration::from_secs(2);

enum Failure {
    No(String),
    None,
    Error(String),
}

type Answer = Result<String, Failure>;

impl From<ZmqError> for Failure {
    fn from(error: ZmqError) -> Failure {
        match error {
            ZmqError::Timeout => Failure::None,
            other => Failure::Error(other.to_string().replace('\n', " ")),
        }
    }
}

fn no(words: String) -> Failure {
    Failure::No(words)
}

fn octets(word: &str) -> Vec<u8> {
    let hex = if word == "-" { "" } else { word };
    (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
}

fn decoded(words: &[&str]) -> Vec<Msg> {
    let mut frames: Vec<Msg> = words.iter().map(|word| Msg::from_vec(octets(word))).collect();
    let last = frames.len() - 1;
    for frame in &mut frames[..last] {
        frame.set_flags(MsgFlags::MORE);
    }
    frames
}

fn encoded(frames: Vec<Msg>) -> String {
    let words: Vec<String> = frames
        .iter()
        .map(|frame| {
            let hex: String = frame.data().unwrap_or(&[]).iter().map(|octet| format!("{octet:02x}")).collect();
            if hex.is_empty() { "-".to_string() } else { hex }
        })
        .collect();
    words.join(" ")
}

fn numbered(number: u32, size: usize) -> Vec<u8> {
    let mut body = vec![0; size];
    body[..4].copy_from_slice(&number.to_be_bytes());
    body
}

fn kind_of(name: &str) -> Result<SocketType, Failure> {
    Ok(match name {
        "PUB" => SocketType::Pub,
        "SUB" => SocketType::Sub,
        "REQ" => SocketType::Req,
        "REP" => SocketType::Rep,
        "DEALER" => SocketType::Dealer,
        "ROUTER" => SocketType::Router,
        "PUSH" => SocketType::Push,
        "PULL" => SocketType::Pull,
        other => return Err(no(format!("there is no {other}"))),
    })
}

async fn set(socket: &Socket, name: &str, value: &str) -> Result<(), Failure> {
    let parts: Vec<Vec<u8>> = if name == "heartbeat_ivl" { vec![] } else { value.split(':').map(octets).collect() };
    match name {
        "heartbeat_ivl" => socket.set_option(HEARTBEAT_IVL, value.parse::<i32>().unwrap()).await?,
        "routing_id" => socket.set_option_raw(ROUTING_ID, &parts[0]).await?,
        "plain_server" | "plain_client" => {
            if name == "plain_server" {
                socket.set_option(PLAIN_SERVER, 1).await?;
            }
            socket.set_option_raw(PLAIN_USERNAME, &parts[0]).await?;
            socket.set_option_raw(PLAIN_PASSWORD, &parts[1]).await?;
        }
        "curve_server" => {
            socket.set_option(CURVE_SERVER, 1).await?;
            socket.set_option_raw(CURVE_SECRET_KEY, &parts[0]).await?;
        }
        "curve_client" => {
            socket.set_option_raw(CURVE_PUBLIC_KEY, &parts[0]).await?;
            socket.set_option_raw(CURVE_SECRET_KEY, &parts[1]).await?;
            socket.set_option_raw(CURVE_SERVER_KEY, &parts[2]).await?;
        }
        other => return Err(no(format!("there is no option {other}"))),
    }
    Ok(())
}

struct Driver {
    context: Context,
    sockets: HashMap<String, Socket>,
    kinds: HashMap<String, String>,
    count: u32,
}

impl Driver {
    async fn receive(&self, number: &str, patience: u64) -> Result<Vec<Msg>, Failure> {
        match timeout(Duration::from_millis(patience), self.sockets[number].recv_multipart()).await {
            Err(_) => Err(Failure::None),
            Ok(result) => Ok(result?),
        }
    }

    async fn send(&self, number: &str, mut frames: Vec<Msg>) -> Result<(), Failure> {
        // A REQ sends a message of one frame only.
        if self.kinds[number] == "REQ" && frames.len() > 1 {
            return Err(no("a REQ sends one frame only".to_string()));
        }
        let socket = &self.sockets[number];
        let sent = if self.kinds[number] == "REQ" {
            timeout(SEND_TIMEOUT, socket.send(frames.remove(0))).await
        } else {
            timeout(SEND_TIMEOUT, socket.send_multipart(frames)).await
        };
        match sent {
            Err(_) | Ok(Err(ZmqError::ResourceLimitReached)) => Err(Failure::None),
            Ok(result) => Ok(result?),
        }
    }

    async fn answer(&mut self, words: &[&str]) -> Answer {
        let number = words.get(1).copied().unwrap_or("");
        match words[0] {
            "name" => return Ok("rzmq 0.5.28".to_string()),
            "socket" => {
                let kind = kind_of(number)?;
                let socket = self.context.socket(kind)?;
                socket.set_option(LINGER, 0).await?;
                // Otherwise it puts an empty frame in front of each message, and takes one away.
                if matches!(number, "DEALER" | "ROUTER") {
                    socket.set_option(AUTO_DELIMITER, 0).await?;
                }
                for word in &words[2..] {
                    let (name, value) = word.split_once('=').unwrap();
                    set(&socket, name, value).await?;
                }
                self.count += 1;
                self.sockets.insert(self.count.to_string(), socket);
                self.kinds.insert(self.count.to_string(), number.to_string());
                return Ok(self.count.to_string());
            }
            "bind" => {
                let socket = &self.sockets[number];
                socket.bind(words[2]).await?;
                let endpoint = socket.get_option(LAST_ENDPOINT).await?;
                return Ok(String::from_utf8_lossy(&endpoint).trim_end_matches('\0').to_string());
            }
            "connect" => self.sockets[number].connect(words[2]).await?,
            "send" => self.send(number, decoded(&words[2..])).await?,
            "recv" => return Ok(encoded(self.receive(number, words[2].parse().unwrap()).await?)),
            "subscribe" => self.sockets[number].set_option_raw(SUBSCRIBE, &octets(words[2])).await?,
            "unsubscribe" => self.sockets[number].set_option_raw(UNSUBSCRIBE, &octets(words[2])).await?,
            "flood" => {
                let (count, size): (u32, usize) = (words[2].parse().unwrap(), words[3].parse().unwrap());
                for i in 0..count {
                    self.send(number, vec![Msg::from_vec(numbered(i, size))]).await?;
                }
            }
            "drain" => {
                let (count, size): (u32, usize) = (words[2].parse().unwrap(), words[3].parse().unwrap());
                for i in 0..count {
                    match self.receive(number, words[4].parse().unwrap()).await {
                        Ok(frames) if frames.len() == 1 && frames[0].data() == Some(&numbered(i, size)[..]) => {}
                        Ok(_) | Err(Failure::None) => return Ok(i.to_string()),
                        Err(failure) => return Err(failure),
                    }
                }
                return Ok(count.to_string());
            }
            "close" => {
                if let Some(socket) = self.sockets.remove(number) {
                    socket.close().await?;
                }
            }
            verb => return Err(no(format!("there is no {verb}"))),
        }
        Ok(String::new())
    }
}

#[tokio::main]
async fn main() {
    let mut driver = Driver { context: Context::new().unwrap(), sockets: HashMap::new(), kinds: HashMap::new(), count: 0 };
    for line in std::io::stdin().lock().lines() {
        let line = line.unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        let answer = match driver.answer(&words).await {
            Ok(words) => format!("ok {words}"),
            Err(Failure::No(words)) => format!("no {words}"),
            Err(Failure::None) => "none".to_string(),
            Err(Failure::Error(words)) => format!("error {words}"),
        };
        println!("{}", answer.trim_end());
        std::io::stdout().flush().unwrap();
    }
    std::process::exit(0);
}
