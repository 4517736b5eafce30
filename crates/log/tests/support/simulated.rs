//! A log over a simulated disk, asked and answered in turn.

use std::sync::Arc;

use longwire_log::{
    Append, Appended, Batch, From, Info, LogError, Machine, Order, Page, Read, Request, Response,
    SimulatedStorage, Storage as _, Table,
};

use super::{Chance, stream};

/// A machine over a simulated disk.
pub(crate) struct Simulated {
    pub(crate) disk: Arc<SimulatedStorage>,
    pub(crate) machine: Machine,
}

impl Simulated {
    pub(crate) fn new() -> Self {
        let disk = Arc::new(SimulatedStorage::new());
        let machine = open(&disk);
        Self { disk, machine }
    }

    pub(crate) fn restart(&mut self) {
        self.disk.restart(false);
        self.machine = open(&self.disk);
    }

    pub(crate) fn all(&mut self, requests: &[Request]) -> Vec<Result<Response, LogError>> {
        for request in requests {
            self.machine.submit(0, request.clone());
        }
        while self.machine.commit() > 0 {}
        std::iter::from_fn(|| self.machine.poll()).map(|completion| completion.result).collect()
    }

    pub(crate) fn ask(&mut self, request: Request) -> Result<Response, LogError> {
        self.all(&[request]).pop().expect("one request, one answer")
    }

    /// A row goes from the disk, below the log.
    pub(crate) fn lose(&self, table: Table, key: Vec<u8>) {
        let mut batch = Batch::default();
        batch.remove(table, key);
        self.disk.commit(&batch).expect("there is room");
    }

    pub(crate) fn append(&mut self, append: Append) -> Appended {
        *appended(&self.ask(Request::Append(append)))
    }

    pub(crate) fn info(&mut self, name: &str) -> Info {
        match self.ask(Request::Info { stream: stream(name) }) {
            Ok(Response::Info(info)) => info,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn page(&mut self, name: &str, from: From) -> Page {
        self.read(name, from, Order::Forwards, 1_000)
    }

    pub(crate) fn read(
        &mut self,
        name: &str,
        from: From,
        order: Order,
        limit_records: usize,
    ) -> Page {
        let stream = stream(name);
        let read = Read { stream, from, order, limit_records, limit_bytes: usize::MAX };
        match self.ask(Request::Read(read)) {
            Ok(Response::Page(page)) => page,
            other => panic!("{other:?}"),
        }
    }
}

fn open(disk: &Arc<SimulatedStorage>) -> Machine {
    let mut chance = Chance(1);
    Machine::new(Arc::clone(disk) as _, || chance.next()).expect("the disk works").0
}

pub(crate) fn appended(answer: &Result<Response, LogError>) -> &Appended {
    match answer {
        Ok(Response::Appended(appended)) => appended,
        other => panic!("{other:?}"),
    }
}
