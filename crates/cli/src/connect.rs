//! `longwire connect`: what is typed or piped goes out, what arrives is shown.

use std::{process, time::Duration};

use longwire::{
    Close, CloseCode, Connect, MessageType, Proxy, Receiver, Sender, WebSocket, proto::WsUri,
    tls::ClientTls,
};
use tokio::{
    runtime,
    sync::mpsc,
    task::JoinSet,
    time::{self, MissedTickBehavior},
};

use crate::{
    args::{self, ConnectArgs},
    event::{Event, Opened},
    failure::Failure,
    input::{Input, Sources},
    output::{self, Gone, Output, Screen},
    render::Style,
    signals::Signals,
};

/// Runs until the connection is over, and everything that arrived is written.
pub(crate) fn run(args: &ConnectArgs, verbose: bool) -> Result<(), Failure> {
    let style = Style::new(args.json, verbose);
    let runtime = runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(format!("the runtime could not be started: {error}")))?;
    let result = runtime.block_on(async {
        let output = Output::start(style);
        let result = session(args, output.screen()).await;
        let written = output.finish().await;
        match result {
            Ok(()) => written.or_else(|error| match error.kind() {
                // Whoever read stdout has seen enough, as `head` does.
                std::io::ErrorKind::BrokenPipe => Ok(()),
                _ => Err(Failure::new(format!("stdout cannot be written: {error}"))),
            }),
            failed => failed,
        }
    });
    // A name being resolved is not waited for.
    runtime.shutdown_background();
    result
}

async fn session(args: &ConnectArgs, screen: &Screen) -> Result<(), Failure> {
    let result = open_and_talk(args, screen).await;
    if let Err(failure) = &result {
        // If stdout is gone, stderr still says it.
        let _ = screen.show(Event::Failed(failure.clone())).await;
    }
    result
}

async fn open_and_talk(args: &ConnectArgs, screen: &Screen) -> Result<(), Failure> {
    let sources = Sources::open(args)?;
    let connect = plan(args)?;
    let mut signals = Signals::catch()?;
    let socket = tokio::select! {
        socket = connect => socket?,
        () = signals.next() => {
            return Err(Failure::new("interrupted before the connection was open"));
        }
    };
    let shown = screen.show(Event::Open(opened(args, &socket))).await;
    let (sender, receiver) = socket.split();
    tokio::spawn(stop_on_signal(signals, sender.clone()));
    let mut helpers = JoinSet::new();
    if let Some(interval) = args.ping {
        helpers.spawn(ping(sender.clone(), interval, screen.clone()));
    }
    let result = if let Err(Gone) = shown {
        sender.close(CloseCode::NORMAL_CLOSURE).await;
        Ok(())
    } else {
        talk(&sender, receiver, sources, screen).await
    };
    helpers.shutdown().await;
    if let Some(closed) = sender.closed() {
        // If stdout is gone, nobody asks.
        let _ = screen.show(Event::Closed(closed)).await;
    }
    result
}

/// The connection to be made.
fn plan(args: &ConnectArgs) -> Result<Connect, Failure> {
    let mut connect = args
        .opening
        .plan(&args.url)?
        .redirects(args.redirects.into())
        .config(args::config(args.max_message_size, args.deflate));
    if let Some(proxy) = &args.proxy {
        connect = connect.proxy(Proxy::new(proxy)?);
    }
    if args.no_proxy {
        connect = connect.no_proxy();
    }
    if let Some(ca) = &args.opening.ca {
        connect = connect.tls(ClientTls::with_ca_file(ca).map_err(Failure::tls)?);
    }
    Ok(connect)
}

fn opened(args: &ConnectArgs, socket: &WebSocket) -> Opened {
    Opened {
        url: WsUri::parse(&args.url).map_or_else(|_| String::new(), |url| url.to_string()),
        peer: socket.peer_addr(),
        subprotocol: socket.subprotocol().map(str::to_owned),
        extensions: extensions(socket),
    }
}

/// The extensions in use, as a header has them.
fn extensions(socket: &WebSocket) -> Vec<String> {
    let deflate = socket.deflate().map(|agreed| agreed.to_string());
    let others = socket.extensions().iter().map(ToString::to_string);
    deflate.into_iter().chain(others).collect()
}

/// Sends and receives until the connection is over.
async fn talk(
    sender: &Sender,
    mut receiver: Receiver,
    sources: Sources,
    screen: &Screen,
) -> Result<(), Failure> {
    let mut failure = None;
    let stay_open = sources.stay_open();
    // Apart from receiving, which waits where stdout is slow.
    let mut sending = tokio::spawn(send_all(sources.read(), sender.clone()));
    let mut sent = false;
    let ended = loop {
        tokio::select! {
            next = receiver.recv() => match next {
                Ok(Some(message)) => {
                    if screen.show(Event::Message(message)).await.is_err() {
                        // Nobody reads on. What still arrives is thrown away.
                        drop(receiver);
                        sender.close(CloseCode::NORMAL_CLOSURE).await;
                        break Ok(());
                    }
                }
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            },
            result = &mut sending, if !sent => {
                sent = true;
                let close = match result.expect("it does not panic, and is not aborted before") {
                    Ok(None) if stay_open => continue,
                    Ok(close) => close.unwrap_or_else(|| CloseCode::NORMAL_CLOSURE.into()),
                    Err(problem) => {
                        failure = Some(problem);
                        CloseCode::INTERNAL_ERROR.into()
                    }
                };
                // What the server sends before its own Close is still received above.
                let sender = sender.clone();
                tokio::spawn(async move { sender.close(close).await });
            }
        }
    };
    sending.abort();
    match failure {
        Some(failure) => Err(failure),
        None => Ok(ended?),
    }
}

/// Sends what is read. Gives the Close that was asked for, if one was.
async fn send_all(
    mut input: mpsc::Receiver<Input>,
    mut sender: Sender,
) -> Result<Option<Close>, Failure> {
    while let Some(next) = input.recv().await {
        let taken = match next {
            Input::Message(message) => sender.send(message).await.is_ok(),
            Input::Piece(_) | Input::PieceEnd => send_pieces(next, &mut input, &mut sender).await?,
            Input::Close(close) => return Ok(Some(close)),
            Input::Failed(failure) => return Err(failure),
        };
        if !taken {
            // The connection is closing: the receiver learns why.
            break;
        }
    }
    Ok(None)
}

/// Sends one binary message piece by piece. `false` if the connection takes no more.
///
/// If reading fails, the message can be neither finished nor withdrawn: dropping its writer fails
/// the connection with 1011.
async fn send_pieces(
    first: Input,
    input: &mut mpsc::Receiver<Input>,
    sender: &mut Sender,
) -> Result<bool, Failure> {
    let Ok(mut writer) = sender.send_writer(MessageType::Binary).await else { return Ok(false) };
    let mut next = Some(first);
    loop {
        let written = match next {
            Some(Input::Piece(piece)) => writer.write(piece).await,
            Some(Input::Failed(failure)) => return Err(failure),
            _ => return Ok(writer.finish().await.is_ok()),
        };
        if written.is_err() {
            return Ok(false);
        }
        next = input.recv().await;
    }
}

/// Shows a round trip at each interval. A Pong that does not come is the keepalive's matter.
async fn ping(sender: Sender, interval: Duration, screen: Screen) {
    let mut ticks = time::interval(interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Ok(round_trip) = sender.ping().await else { return };
        if screen.show(Event::Ping(round_trip)).await.is_err() {
            return;
        }
    }
}

/// Closes with 1001 at the first signal and ends the program at the second, whatever it waits for.
async fn stop_on_signal(mut signals: Signals, sender: Sender) {
    signals.next().await;
    let again = async {
        signals.next().await;
        output::complain("stopped before the connection had closed");
        process::exit(1);
    };
    tokio::join!(sender.close(CloseCode::GOING_AWAY), again);
}
