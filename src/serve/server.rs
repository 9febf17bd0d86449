//! Connections come and go.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tower::ServiceExt as _;

use crate::app::config::Config;
use crate::app::environment::Environment;
use crate::app::error::Error;
use crate::serve::access::Say;
use crate::serve::bind::{Bind, Listening, Socket};
use crate::serve::guard::Peer;
use crate::serve::patience::Patient;
use crate::serve::route;
use crate::serve::state::{Options, Served, WORKERS, check};
use crate::serve::watch;

/// Connections at once; more wait in the system's queue.
const CONNECTIONS: usize = 4096;
/// A head must be whole within this time, and the next one must begin within it.
const HEAD: Duration = Duration::from_secs(15);
/// Headers of a request, at most.
const HEADERS: usize = 64;
/// Bytes of a head, at most.
const HEAD_BYTES: usize = 32 << 10;
/// Somebody who reads nothing for so long is given up.
const STALL: Duration = Duration::from_secs(30);
/// What is under way when the server ends has so long.
const DRAIN: Duration = Duration::from_secs(8);
/// How long is waited when the system has no more descriptors.
const PAUSE: Duration = Duration::from_millis(50);

/// Serves until SIGTERM or SIGINT.
pub fn serve(
    environment: Environment,
    config: Config,
    options: Options,
    say: Say,
) -> Result<(), Error> {
    check(&options)?;
    let failed = |error: &io::Error, bind: &Bind| {
        Error::Machine(format!("could not listen on {bind}: {error}"))
    };
    let Listening { socket, bind } =
        Listening::begin(&options.bind).map_err(|error| failed(&error, &options.bind))?;
    let joined = Served::join(environment, config, options, bind.clone(), say);
    let served = joined.and_then(|(served, made)| {
        let machine = |error: io::Error| Error::Machine(format!("could not start: {error}"));
        let runtime = Builder::new_multi_thread()
            .worker_threads(std::thread::available_parallelism().map_or(2, |n| n.get().clamp(2, 8)))
            .max_blocking_threads(WORKERS + 2)
            .thread_name("serve")
            .enable_all()
            .build()
            .map_err(machine)?;
        let done = runtime.block_on(accept(&served, socket, made.as_deref())).map_err(machine);
        runtime.shutdown_timeout(Duration::from_millis(500));
        done
    });
    if let Bind::Unix(path) = &bind {
        std::fs::remove_file(path).ok();
    }
    served
}

enum Listener {
    Tcp(TcpListener),
    Unix(UnixListener),
}

enum Stream {
    Tcp(TcpStream, SocketAddr),
    Unix(UnixStream),
}

impl Listener {
    fn of(socket: Socket) -> io::Result<Self> {
        Ok(match socket {
            Socket::Tcp(socket) => Self::Tcp(TcpListener::from_std(socket)?),
            Socket::Unix(socket) => Self::Unix(UnixListener::from_std(socket)?),
        })
    }

    async fn accept(&self) -> io::Result<Stream> {
        Ok(match self {
            Self::Tcp(listener) => {
                let (stream, address) = listener.accept().await?;
                Stream::Tcp(stream, address)
            }
            Self::Unix(listener) => Stream::Unix(listener.accept().await?.0),
        })
    }
}

/// SIGTERM and SIGINT.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        let terminate = signal(SignalKind::terminate())?;
        Ok(Self { terminate, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn came(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

async fn accept(served: &Arc<Served>, socket: Socket, made: Option<&str>) -> io::Result<()> {
    let mut signals = Signals::listen()?;
    let listener = Listener::of(socket)?;
    let router = route::router(served.clone());
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    let mut open = JoinSet::new();
    let beside = tokio::spawn(watch::look_around(served.clone()));
    welcome(served, made);
    loop {
        tokio::select! {
            () = signals.came() => break,
            Some(_) = open.join_next() => {}
            (room, stream) = next(&room, &listener) => {
                let (served, router) = (served.clone(), router.clone());
                match stream {
                    Stream::Tcp(stream, address) => {
                        stream.set_nodelay(true).ok();
                        let peer = Peer(Some(address.ip()));
                        open.spawn(connection(served, router, stream, peer, room));
                    }
                    Stream::Unix(stream) => {
                        open.spawn(connection(served, router, stream, Peer(None), room));
                    }
                }
            }
        }
    }
    drop(listener);
    beside.abort();
    served.stopping.send_replace(true);
    served.jobs.end();
    let drained = async {
        while open.join_next().await.is_some() {}
        // What runs writes what it has in hand.
        served.jobs.load.subscribe().wait_for(|(_, running)| *running == 0).await.ok();
    };
    tokio::select! {
        // Who asks twice does not want to wait.
        () = signals.came() => {}
        _ = timeout(DRAIN, drained) => {}
    }
    Ok(())
}

async fn next(room: &Arc<Semaphore>, listener: &Listener) -> (OwnedSemaphorePermit, Stream) {
    let room = room.clone().acquire_owned().await.expect("nobody closes it");
    loop {
        match listener.accept().await {
            Ok(stream) => return (room, stream),
            // One that left before it was accepted costs nothing; without descriptors others must leave.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(_) => sleep(PAUSE).await,
        }
    }
}

/// Serves one connection until it ends, or the server does.
async fn connection<S: AsyncRead + AsyncWrite + Unpin>(
    served: Arc<Served>,
    router: Router,
    stream: S,
    peer: Peer,
    room: OwnedSemaphorePermit,
) {
    served.metrics.connections.fetch_add(1, Ordering::Relaxed);
    let service = service_fn(|mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(peer);
        router.clone().oneshot(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .max_headers(HEADERS)
        .max_buf_size(HEAD_BYTES)
        // Who has said all and only listens still gets the answer.
        .half_close(true)
        .serve_connection(TokioIo::new(Patient::new(stream, STALL)), service);
    let mut connection = std::pin::pin!(connection);
    // How a connection ended is its other end's business.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = served.stopped() => {
            connection.as_mut().graceful_shutdown();
            connection.await.ok();
        }
    }
    served.metrics.connections.fetch_sub(1, Ordering::Relaxed);
    drop(room);
}

/// Says that the server is there, and how to reach it.
fn welcome(served: &Served, made: Option<&str>) {
    let (say, bind) = (&served.say, &served.bind);
    if served.options.no_auth {
        say("vox serve: --no-auth: every user of this host can read this store");
    }
    if let Some(token) = made {
        say(&format!("vox serve: open {bind}/login?token={token}"));
    }
    say(&format!("vox serve: listening on {bind}"));
}
