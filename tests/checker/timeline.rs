//! What every list and row was after every commit, from the writes alone.
use std::collections::{BTreeSet, HashMap};

use crate::{
    catalog::{ABSENT, Digest, LISTS, Row, page_digest},
    history::{Effect, Micros, Seq, Write},
};

/// Something that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    List(usize),
    Row(u32),
}

/// From this commit until just before that one.
pub type Span = (Seq, Seq);

/// The catalog's whole past.
pub struct Timeline {
    spans: HashMap<(Key, Digest), Vec<Span>>,
    current: HashMap<Key, (Seq, Digest)>,
    /// By the time COMMIT had returned: the newest commit so far.
    returned: Vec<(Micros, Seq)>,
    /// By the time COMMIT was sent: the newest commit so far.
    sent: Vec<(Micros, Seq)>,
    /// By the number that the database gave: the last place in the order of commits so far.
    places: Vec<(Seq, Seq)>,
}

#[derive(Default)]
struct State {
    rows: HashMap<u32, Row>,
    order: BTreeSet<Row>,
}

impl Timeline {
    /// Plays `writes` in the order that the database gave them. A write without a number never happened.
    pub fn of(writes: &[Write], seqs: &HashMap<i64, (Seq, Seq)>) -> Self {
        let mut done: Vec<(Seq, &Write)> = writes
            .iter()
            .filter_map(|write| Some((seqs.get(&write.token)?.0, write)))
            .collect();
        done.sort_by_key(|(seq, _)| *seq);
        let heard = done
            .iter()
            .filter_map(|(seq, write)| Some((write.returned?, *seq)));
        let sent = done.iter().map(|(seq, write)| (write.sent, *seq));
        let mut timeline = Self {
            spans: HashMap::new(),
            current: HashMap::new(),
            returned: newest_by_time(heard.collect()),
            sent: newest_by_time(sent.collect()),
            places: newest_by_time(seqs.values().map(|(place, seq)| (*seq, *place)).collect()),
        };
        let mut state = State::default();
        for (seq, write) in done {
            timeline.play(seq, write, &mut state);
        }
        let current: Vec<_> = timeline.current.iter().map(|(k, v)| (*k, *v)).collect();
        for (key, (from, digest)) in current {
            timeline.add(key, digest, (from, Seq::MAX));
        }
        timeline
    }

    fn play(&mut self, seq: Seq, write: &Write, state: &mut State) {
        let mut touched = BTreeSet::new();
        for effect in &write.effects {
            match effect {
                Effect::Put(row) => {
                    state.put(row.clone());
                    touched.insert(row.number);
                }
                Effect::Gone(number) => {
                    state.remove(*number);
                    touched.insert(*number);
                }
                Effect::Empty => {
                    touched.extend(state.rows.keys());
                    state.rows.clear();
                    state.order.clear();
                }
            }
        }
        for number in touched {
            let row = state.rows.get(&number);
            self.becomes(Key::Row(number), seq, row.map_or(ABSENT, Row::digest));
        }
        for (index, (difficulty, size)) in LISTS.into_iter().enumerate() {
            self.becomes(Key::List(index), seq, state.page(difficulty, size));
        }
    }

    fn becomes(&mut self, key: Key, seq: Seq, digest: Digest) {
        let before = self.current.get(&key).copied();
        if before.is_some_and(|(_, before)| before == digest) {
            return;
        }
        if let Some((from, before)) = before {
            self.add(key, before, (from, seq));
        }
        self.current.insert(key, (seq, digest));
    }

    fn add(&mut self, key: Key, digest: Digest, span: Span) {
        self.spans.entry((key, digest)).or_default().push(span);
    }

    /// When the key was so.
    pub fn spans(&self, key: Key, digest: Digest) -> &[Span] {
        match self.spans.get(&(key, digest)) {
            Some(spans) => spans,
            // A row that nobody has written yet is absent.
            None if digest == ABSENT && !self.current.contains_key(&key) => &[(0, Seq::MAX)],
            None => &[],
        }
    }

    /// The newest commit that had returned before `time`: whoever asks then may expect it.
    pub fn returned_before(&self, time: Micros) -> Seq {
        newest_before(&self.returned, time)
    }

    /// The newest commit that had been sent before `time`: nobody can have seen a newer one.
    pub fn sent_before(&self, time: Micros) -> Seq {
        newest_before(&self.sent, time)
    }

    /// The last place, in the order in which they committed, of the commits up to a version.
    pub fn place_of(&self, version: Seq) -> Seq {
        newest_before(&self.places, version + 1)
    }

    /// How many transactions were committed.
    pub fn commits(&self) -> usize {
        self.sent.len()
    }
}

impl State {
    fn put(&mut self, row: Row) {
        self.remove(row.number);
        self.order.insert(row.clone());
        self.rows.insert(row.number, row);
    }

    fn remove(&mut self, number: u32) {
        if let Some(row) = self.rows.remove(&number) {
            self.order.remove(&row);
        }
    }

    fn page(&self, difficulty: u8, size: i32) -> Digest {
        let has = |row: &&Row| difficulty == 0 || row.difficulty == difficulty;
        let first = Row {
            difficulty,
            points: i32::MIN,
            title: String::new(),
            number: 0,
        };
        let total = if difficulty == 0 {
            self.order.len()
        } else {
            self.order.range(first.clone()..).take_while(has).count()
        };
        let size = usize::try_from(size).unwrap();
        page_digest(total, self.order.range(first..).take_while(has).take(size))
    }
}

/// What the lists and rows are by the database's own word.
pub fn digests_of(rows: Vec<Row>) -> HashMap<Key, Digest> {
    let mut state = State::default();
    for row in rows {
        state.put(row);
    }
    let lists = LISTS
        .into_iter()
        .enumerate()
        .map(|(index, (difficulty, size))| (Key::List(index), state.page(difficulty, size)));
    let mut digests: HashMap<_, _> = lists.collect();
    digests.extend(
        state
            .rows
            .values()
            .map(|row| (Key::Row(row.number), row.digest())),
    );
    digests
}

/// Sorts by time, and gives every time the greatest number up to it.
fn newest_by_time(mut events: Vec<(Micros, Seq)>) -> Vec<(Micros, Seq)> {
    events.sort_unstable();
    let mut newest = 0;
    for (_, seq) in &mut events {
        newest = newest.max(*seq);
        *seq = newest;
    }
    events
}

fn newest_before(events: &[(Micros, Seq)], time: Micros) -> Seq {
    let count = events.partition_point(|(at, _)| *at < time);
    count.checked_sub(1).map_or(0, |last| events[last].1)
}
