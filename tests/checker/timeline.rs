//! What every list and row was after every commit on one server, from the writes alone.
use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap},
};

use crate::{
    catalog::{ABSENT, Digest, LISTS, Row, page_digest},
    cluster::Branch,
    history::{Effect, Micros, Seq, Write},
};

/// Something that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    List(usize),
    Row(u32),
}

/// When something was so, by the places of commits in their order.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    pub from: Seq,
    /// The first commit from which on it was not.
    pub until: Seq,
    /// It lacks a commit that had returned then: whoever asks later may expect that.
    pub lacks: Micros,
}

/// A commit has its time a moment before it is visible, and so many later ones can be visible by then.
const OVERTAKING: usize = 8;

/// So many commits that a server inherited are looked at with its own: whoever asks it after its
/// promotion sees nothing older.
const INHERITED: usize = 50;

/// The past of the catalog on one server.
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

#[derive(Clone, Default)]
struct State {
    rows: HashMap<u32, Row>,
    order: BTreeSet<Row>,
}

impl Timeline {
    /// Plays those of `writes` that took effect on the server, which took none of its own before `began`.
    pub fn of(writes: &HashMap<i64, &Write>, branch: &Branch, began: Micros) -> Self {
        let commits = branch.commits.iter().zip(1..);
        let done: Vec<(Seq, Cow<'_, Write>)> = commits
            .filter_map(|(commit, place)| Some((place, done_by(writes, branch, commit.token)?)))
            .collect();
        let numbered = branch.commits.iter().zip(1..);
        let numbered = numbered.filter_map(|(commit, place)| Some((commit.number?, place)));
        let heard = done
            .iter()
            .filter_map(|(place, write)| Some((write.returned?, *place)));
        let sent = done.iter().map(|(place, write)| (write.sent, *place));
        let mut timeline = Self {
            spans: HashMap::new(),
            current: HashMap::new(),
            returned: newest_by_time(heard.collect()),
            sent: newest_by_time(sent.collect()),
            places: newest_by_time(numbered.collect()),
        };
        let own = done.iter().position(|(_, write)| write.sent >= began);
        let inherited = own.unwrap_or(done.len()).saturating_sub(INHERITED);
        let (inherited, played) = done.split_at(inherited);
        let mut state = State::default();
        let touched: BTreeSet<u32> = inherited
            .iter()
            .flat_map(|(_, write)| state.apply(&write.effects))
            .collect();
        if !inherited.is_empty() {
            timeline.shows(touched, 0, &state);
        }
        for (index, (place, write)) in played.iter().enumerate() {
            timeline.overtaken(&state, write, &played[index + 1..]);
            let touched = state.apply(&write.effects);
            timeline.shows(touched, *place, &state);
        }
        let current: Vec<_> = timeline.current.iter().map(|(k, v)| (*k, *v)).collect();
        for (key, (from, digest)) in current {
            timeline.add(key, digest, (from, Seq::MAX), Micros::MAX);
        }
        timeline
    }

    /// What is shown after each of the `later` commits that was under way together with `write`, and
    /// visible before it; `state` is from before both.
    fn overtaken(&mut self, state: &State, write: &Write, later: &[(Seq, Cow<'_, Write>)]) {
        let lacks = write.returned.unwrap_or(Micros::MAX);
        let together = later.iter().take(OVERTAKING);
        let together: Vec<_> = together.take_while(|(_, one)| one.sent <= lacks).collect();
        let (Some((first, _)), Some((last, _))) = (together.first(), together.last()) else {
            return;
        };
        for number in state.clone().apply(&write.effects) {
            let row = state.rows.get(&number);
            let digest = row.map_or(ABSENT, Row::digest);
            self.add(Key::Row(number), digest, (*first, last + 1), lacks);
        }
        let mut state = state.clone();
        for (place, one) in together {
            state.apply(&one.effects);
            for (index, (difficulty, size)) in LISTS.into_iter().enumerate() {
                let digest = state.page(difficulty, size);
                self.add(Key::List(index), digest, (*place, place + 1), lacks);
            }
        }
    }

    /// From `place` on, the rows that were `touched` and all lists are as `state` has them.
    fn shows(&mut self, touched: BTreeSet<u32>, place: Seq, state: &State) {
        for number in touched {
            let row = state.rows.get(&number);
            self.becomes(Key::Row(number), place, row.map_or(ABSENT, Row::digest));
        }
        for (index, (difficulty, size)) in LISTS.into_iter().enumerate() {
            self.becomes(Key::List(index), place, state.page(difficulty, size));
        }
    }

    fn becomes(&mut self, key: Key, seq: Seq, digest: Digest) {
        let before = self.current.get(&key).copied();
        if before.is_some_and(|(_, before)| before == digest) {
            return;
        }
        if let Some((from, before)) = before {
            self.add(key, before, (from, seq), Micros::MAX);
        }
        self.current.insert(key, (seq, digest));
    }

    fn add(&mut self, key: Key, digest: Digest, (from, until): (Seq, Seq), lacks: Micros) {
        let spans = self.spans.entry((key, digest)).or_default();
        spans.push(Span { from, until, lacks });
    }

    /// When the key was so.
    pub fn spans(&self, key: Key, digest: Digest) -> &[Span] {
        match self.spans.get(&(key, digest)) {
            Some(spans) => spans,
            // A row that nobody has written yet is absent.
            None if digest == ABSENT && !self.current.contains_key(&key) => &[Span {
                from: 0,
                until: Seq::MAX,
                lacks: Micros::MAX,
            }],
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

    /// The last place, in the order in which they committed, of the commits up to a number.
    pub fn place_of(&self, number: Seq) -> Seq {
        newest_before(&self.places, number + 1)
    }
}

impl State {
    /// Gives the rows that were touched.
    fn apply(&mut self, effects: &[Effect]) -> BTreeSet<u32> {
        let mut touched = BTreeSet::new();
        for effect in effects {
            match effect {
                Effect::Put(row) => {
                    self.put(row.clone());
                    touched.insert(row.number);
                }
                Effect::Gone(number) => {
                    self.remove(*number);
                    touched.insert(*number);
                }
                Effect::Empty => {
                    touched.extend(self.rows.keys());
                    self.rows.clear();
                    self.order.clear();
                }
            }
        }
        touched
    }

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

/// A transaction, with what it did on the server: of one that an apply worker repeated nobody else knows.
fn done_by<'a>(
    writes: &HashMap<i64, &'a Write>,
    branch: &Branch,
    token: i64,
) -> Option<Cow<'a, Write>> {
    let write = *writes.get(&token)?;
    Some(match branch.applied.get(&token) {
        None => Cow::Borrowed(write),
        Some(effects) => Cow::Owned(Write {
            effects: effects.clone(),
            ..write.clone()
        }),
    })
}

/// Sorts by time, and gives every time the greatest number up to it.
pub fn newest_by_time(mut events: Vec<(Micros, Seq)>) -> Vec<(Micros, Seq)> {
    events.sort_unstable();
    let mut newest = 0;
    for (_, seq) in &mut events {
        newest = newest.max(*seq);
        *seq = newest;
    }
    events
}

/// The greatest number before a time; 0 for none.
pub fn newest_before(events: &[(Micros, Seq)], time: Micros) -> Seq {
    let count = events.partition_point(|(at, _)| *at < time);
    count.checked_sub(1).map_or(0, |last| events[last].1)
}
