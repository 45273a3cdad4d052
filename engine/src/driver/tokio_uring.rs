//! The lanes on tokio-uring: a runtime per reactor, a registered buffer and two tasks per lane.
//! The plainest reading of the data path; no zero-copy, and a buffer per connection.

use std::cell::{Cell, RefCell};
use std::net::{Shutdown, TcpStream as StdStream};
use std::ops::Range;
use std::rc::Rc;
use std::sync::Arc;

use tokio::sync::Notify;
use tokio_uring::buf::BoundedBuf;
use tokio_uring::buf::fixed::{FixedBuf, FixedBufRegistry};
use tokio_uring::net::TcpStream;

use super::contract::{Outcome, RECEIVE_BYTES, WAIT};
use super::desk::Desk;
use crate::error::{Error, Result};
use crate::plan::{Driver, Plan, Send};
use crate::socket::describe;

/// The buffer of one lane.
enum Buffer {
    Registered(FixedBuf),
    Plain(Vec<u8>),
}

impl Buffer {
    fn bytes(&mut self) -> &mut [u8] {
        match self {
            Self::Registered(buffer) => buffer,
            Self::Plain(buffer) => buffer,
        }
    }

    /// Writes a part of the buffer; how much of it the kernel took, and the buffer again.
    async fn write(self, stream: &TcpStream, part: Range<usize>) -> (std::io::Result<usize>, Self) {
        match self {
            Self::Registered(buffer) => {
                let (result, slice) = stream.write_fixed(buffer.slice(part)).await;
                (result, Self::Registered(slice.into_inner()))
            }
            Self::Plain(buffer) => {
                let (result, slice) = stream.write(buffer.slice(part)).submit().await;
                (result, Self::Plain(slice.into_inner()))
            }
        }
    }
}

/// What the tasks of one reactor share.
struct Reactor {
    plan: Arc<Plan>,
    desk: RefCell<Desk>,
    buffers: Option<FixedBufRegistry<Vec<u8>>>,
    lanes: Vec<LaneSignals>,
    lane_ended: Notify,
}

impl Reactor {
    /// Ends the connections of lanes that have ended, so that no task waits for a server that
    /// does not read.
    fn end_connections(&self) {
        for (lane, signals) in self.lanes.iter().enumerate() {
            if self.desk.borrow().end(lane).is_some()
                && let Some(stream) = &*signals.stream.borrow()
            {
                // Fails only where the connection is gone already.
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
    }
}

/// What the two tasks of a lane tell each other.
#[derive(Default)]
struct LaneSignals {
    /// The window may have opened, or the connection is over.
    changed: Notify,
    /// The reading task has ended.
    reader_ended: Cell<bool>,
    /// The connection, so that it can be ended from outside.
    stream: RefCell<Option<Rc<TcpStream>>>,
}

/// Runs the lanes of `desk` until all have ended.
pub(super) fn run(plan: &Arc<Plan>, desk: Desk) -> Result<(Desk, Outcome)> {
    let runtime =
        tokio_uring::Runtime::new(&tokio_uring::builder()).map_err(|error| Error::Setup {
            what: "the tokio-uring runtime",
            message: error.to_string(),
            cure: "use --driver uring or --driver socket",
        })?;
    let reactor = runtime.block_on(drive(Arc::clone(plan), desk));
    let (send, notices) = match (&reactor.buffers, plan.registers_blocks) {
        (Some(_), _) => (Send::Fixed, Vec::new()),
        (None, false) => (Send::Copy, Vec::new()),
        (None, true) => (
            Send::Copy,
            vec!["buffers could not be registered (RLIMIT_MEMLOCK, see `ulimit -l`): sending with plain writes".to_owned()],
        ),
    };
    // Every task has ended, so nothing else holds the reactor.
    let reactor = Rc::into_inner(reactor).ok_or_else(|| Error::Setup {
        what: "the tokio-uring runtime",
        message: "a task outlived its connection".into(),
        cure: "please report this",
    })?;
    Ok((
        reactor.desk.into_inner(),
        Outcome {
            driver: Driver::TokioUring,
            send,
            notices,
        },
    ))
}

/// Connects all lanes and waits until they have ended.
async fn drive(plan: Arc<Plan>, mut desk: Desk) -> Rc<Reactor> {
    let buffers = plan
        .registers_blocks
        .then(|| register(&plan, desk.lane_count()))
        .flatten();
    let mut arrived = desk.dial_all();
    let lanes = (0..desk.lane_count())
        .map(|_| LaneSignals::default())
        .collect();
    let desk = RefCell::new(desk);
    let reactor = Rc::new(Reactor {
        plan,
        desk,
        buffers,
        lanes,
        lane_ended: Notify::new(),
    });
    let mut tasks = Vec::new();
    loop {
        for (lane, stream) in arrived {
            tasks.push(tokio_uring::spawn(connection(
                Rc::clone(&reactor),
                lane,
                stream,
            )));
        }
        if reactor.desk.borrow().is_over() {
            break;
        }
        // Woken by a lane that ended, or by the time: either way the desk is asked.
        let _ = tokio::time::timeout(WAIT, reactor.lane_ended.notified()).await;
        arrived = reactor.desk.borrow_mut().tick();
        reactor.end_connections();
        reactor
            .lanes
            .iter()
            .for_each(|lane| lane.changed.notify_one());
    }
    reactor
        .lanes
        .iter()
        .for_each(|lane| lane.changed.notify_one());
    for task in tasks {
        // A task that panicked has printed why; its lane is not done and will be told so.
        let _ = task.await;
    }
    reactor
}

/// One rendered buffer per lane, registered; `None` where the kernel does not allow it.
fn register(plan: &Plan, lanes: usize) -> Option<FixedBufRegistry<Vec<u8>>> {
    let registry = FixedBufRegistry::new((0..lanes).map(|_| rendered(plan)));
    registry.register().ok().map(|()| registry)
}

fn rendered(plan: &Plan) -> Vec<u8> {
    let mut buffer = vec![0; plan.segment.block_bytes()];
    plan.segment.render(&mut buffer);
    buffer
}

/// One connection of a lane, until it is over.
async fn connection(reactor: Rc<Reactor>, lane: usize, stream: StdStream) {
    let stream = Rc::new(TcpStream::from_std(stream));
    let signals = &reactor.lanes[lane];
    signals.reader_ended.set(false);
    signals.stream.replace(Some(Rc::clone(&stream)));
    let reader = tokio_uring::spawn(read(Rc::clone(&reactor), lane, Rc::clone(&stream)));
    let registered = reactor
        .buffers
        .as_ref()
        .and_then(|buffers| buffers.check_out(lane));
    let buffer = registered.map_or_else(
        || Buffer::Plain(rendered(&reactor.plan)),
        Buffer::Registered,
    );
    let write_error = write(&reactor, lane, &stream, buffer).await;
    // Ends the reader, if it is still there; an error means that the connection is gone already.
    let _ = stream.shutdown(Shutdown::Both);
    let read_error = reader.await.unwrap_or_else(|error| error.to_string());
    signals.stream.replace(None);
    let cause = write_error.unwrap_or(read_error);
    reactor.desk.borrow_mut().lost(lane, &cause);
    reactor.lane_ended.notify_one();
}

/// Writes whatever the lane wants to send. Returns the error that ended it, if it was one.
async fn write(
    reactor: &Reactor,
    lane: usize,
    stream: &TcpStream,
    mut buffer: Buffer,
) -> Option<String> {
    loop {
        if reactor.lanes[lane].reader_ended.get() || reactor.desk.borrow().end(lane).is_some() {
            return None;
        }
        let next = reactor.desk.borrow_mut().next(lane, buffer.bytes());
        let Some(part) = next else {
            reactor.lanes[lane].changed.notified().await;
            continue;
        };
        let result;
        (result, buffer) = buffer.write(stream, part).await;
        match result {
            Ok(bytes) => reactor.desk.borrow_mut().sent(lane, bytes),
            Err(error) => return Some(describe(&error)),
        }
    }
}

/// Reads acknowledgements until the connection is over; why it is.
async fn read(reactor: Rc<Reactor>, lane: usize, stream: Rc<TcpStream>) -> String {
    let mut buffer = vec![0; RECEIVE_BYTES];
    let cause = loop {
        let result;
        (result, buffer) = stream.read(buffer).await;
        match result {
            Ok(0) => break "the server closed the connection".to_owned(),
            Ok(length) if reactor.desk.borrow_mut().received(lane, &buffer[..length]) => {
                reactor.lanes[lane].changed.notify_one();
            }
            Ok(_) => break "the lane has ended".to_owned(),
            Err(error) => break describe(&error),
        }
    };
    // Ends a write that the server does not take.
    let _ = stream.shutdown(Shutdown::Both);
    reactor.lanes[lane].reader_ended.set(true);
    reactor.lanes[lane].changed.notify_one();
    cause
}
