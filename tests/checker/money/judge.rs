//! Compares the provider's count with the budget and with the service's ledger.
use std::{collections::HashMap, time::Duration};

use challenges_catalog::pb::catalog::v1::TipFallback;
use tokio::time::{Instant, sleep};

use super::{
    callers::Heard,
    fleet::{End, Fleet},
    ledger::{self, Entry, Money},
    provider::{FIRST, MOST, Sale},
    round::BUDGET,
};

/// What was in progress is in the ledger by then.
const PATIENCE: Duration = Duration::from_secs(20);
/// A replica that is killed may have read the end of a request so long ago, and not have entered it yet.
const ENTERING: Duration = Duration::from_secs(3);

/// So many violations of a round are told.
const TOLD: usize = 10;
const TOLD_OF_CONTROLS: usize = 2;

/// What came of a round.
#[derive(Default)]
pub struct Verdict {
    requests: usize,
    sold: u64,
    recorded: u64,
    money: Money,
    /// Sold and not recorded: requests that were killed with their replica.
    lost: Sum,
    /// Sold and not recorded: what was on its way when a request was cut off.
    cut: Sum,
    killed: usize,
    stopped: usize,
    heard: String,
    violations: Vec<String>,
}

#[derive(Clone, Copy, Default)]
struct Sum {
    requests: usize,
    cost: u64,
}

impl Sum {
    fn add(&mut self, cost: u64) {
        self.requests += 1;
        self.cost += cost;
    }
}

/// Once nobody asks any more and everything is well.
pub async fn judge(fleet: &Fleet, heard: &Heard) -> Verdict {
    let began = Instant::now();
    loop {
        let entries = ledger::entries(fleet).await;
        let verdict = Verdict::of(fleet, heard, &entries, ledger::money(fleet));
        let is_settled = fleet.provider.open(None) == 0;
        if is_settled && verdict.violations.is_empty() || began.elapsed() > PATIENCE {
            return verdict;
        }
        sleep(Duration::from_millis(250)).await;
    }
}

impl Verdict {
    fn of(fleet: &Fleet, heard: &Heard, entries: &[Entry], money: Money) -> Self {
        let (sales, ends) = (fleet.provider.sales(), fleet.ends());
        let killed = ends.iter().filter(|end| end.is_killed).count();
        let mut verdict = Self {
            requests: sales.len(),
            sold: sales.iter().map(Sale::cost).sum(),
            recorded: entries.iter().map(|entry| entry.cost).sum(),
            money,
            killed,
            stopped: ends.len() - killed,
            heard: heard.to_string(),
            ..Self::default()
        };
        let silent = verdict.compare(fleet, &sales, entries);
        verdict.check_budget();
        verdict.check_redis(silent, fleet.held_by_gone());
        verdict.check_callers(heard);
        verdict
    }

    /// Whether nothing was found.
    pub fn is_clean(&self) -> bool {
        self.violations.is_empty()
    }

    fn found(&mut self, violation: String) {
        self.violations.push(violation);
    }

    /// Request by request, in both directions. Gives what those sold and recorded whose replicas could not say where they stood.
    fn compare(&mut self, fleet: &Fleet, sales: &[Sale], entries: &[Entry]) -> u64 {
        let mut by_number: HashMap<u64, Vec<&Entry>> = HashMap::new();
        let (named, guessed): (Vec<_>, Vec<_>) =
            entries.iter().partition(|entry| entry.input >= FIRST);
        for entry in named {
            by_number.entry(entry.input).or_default().push(entry);
        }
        let (mut silent, mut unseen) = (0, 0);
        for sale in sales {
            let end = fleet.end_of(sale.buyer);
            let found = by_number.remove(&sale.number).unwrap_or_default();
            match found[..] {
                [] if is_lost(sale, end) => self.lost.add(sale.cost()),
                // It may have been cut off before its first word, and be among those whose tokens were guessed.
                [] => unseen += 1,
                [entry] => {
                    self.compare_one(sale, entry);
                    silent += end.filter(|end| end.is_silent).map_or(0, |_| entry.cost);
                }
                _ => self.found(format!("recorded more than once: {sale:?}: {found:?}")),
            }
        }
        for (number, entries) in by_number {
            self.found(format!("recorded, and never sold: {number}: {entries:?}"));
        }
        if unseen != guessed.len() {
            let guessed: Vec<_> = guessed.iter().map(|entry| &entry.outcome).collect();
            self.found(format!(
                "{unseen} requests are missing in the ledger, where {} are by guess alone: {guessed:?}",
                guessed.len()
            ));
        }
        silent
    }

    fn compare_one(&mut self, sale: &Sale, entry: &Entry) {
        let (sold, recorded) = (sale.cost(), entry.cost);
        if entry.outcome == "success" && sold != recorded {
            self.found(format!(
                "sold for {sold} and recorded as {recorded}: {sale:?}"
            ));
        }
        if recorded > sold + 1 {
            self.found(format!(
                "recorded as {recorded}, more than it cost: {sale:?} {entry:?}"
            ));
        }
        if recorded < sold {
            self.cut.add(sold - recorded);
        }
    }

    fn check_budget(&mut self) {
        let under_way = self.lost.cost + self.cut.cost;
        if self.sold > BUDGET + under_way {
            self.found(format!(
                "sold {} of {BUDGET}, with {under_way} under way",
                self.sold
            ));
        }
    }

    /// `silent`: what those recorded who could not say it to Redis. `held`: the most that they can have left.
    fn check_redis(&mut self, silent: u64, held: u64) {
        let Money { settled, granted } = self.money;
        if settled > self.recorded + self.lost.cost || settled + silent < self.recorded {
            self.found(format!(
                "Redis has {settled} of {} that are recorded, {silent} of them by replicas that could not say so",
                self.recorded
            ));
        }
        if granted.saturating_sub(settled) > held {
            self.found(format!(
                "{granted} are granted, {settled} of them spent, and replicas that are gone can have {held} at most"
            ));
        }
        if granted > BUDGET {
            self.found(format!("Redis lets replicas have {granted} of {BUDGET}"));
        }
        if granted + MOST < BUDGET {
            self.found(format!("only {granted} of {BUDGET} could be had"));
        }
    }

    fn check_callers(&mut self, heard: &Heard) {
        if let Some(sold) = heard.spent_at()
            && sold + MOST < BUDGET
        {
            self.found(format!(
                "a caller heard that all is spent when {sold} of {BUDGET} were"
            ));
        }
        let limited = heard.count(TipFallback::Limited);
        if limited > heard.tips() / 2 {
            let tips = heard.tips();
            self.found(format!(
                "{limited} callers were told to come again, {tips} had a tip"
            ));
        }
    }
}

/// Whether its replica was killed before it could be entered.
fn is_lost(sale: &Sale, end: Option<End>) -> bool {
    end.is_some_and(|end| end.is_killed && sale.ended.is_none_or(|ended| ended + ENTERING > end.at))
}

/// Tells whether a deliberate fault was caught, and by what.
pub fn print_control(name: &str, verdict: &Verdict) {
    let caught = if verdict.is_clean() {
        "MISSED"
    } else {
        "caught"
    };
    println!("{caught}  {name}: sold {} of {BUDGET}", verdict.sold);
    for violation in verdict.violations.iter().take(TOLD_OF_CONTROLS) {
        println!("        {violation}");
    }
}

/// Prints everything; true when nothing was found.
pub fn print(verdicts: &[Verdict], harmed: Duration, seed: u64) -> bool {
    println!(
        "\nseed {seed}, {} rounds, {:.0} s of harm\n\nround  requests   sold  recorded  Redis: spent, granted  \
         killed (lost)  stopped  cut off (unread)  found",
        verdicts.len(),
        harmed.as_secs_f64()
    );
    for (number, of) in verdicts.iter().enumerate() {
        let Verdict {
            lost, cut, money, ..
        } = of;
        println!(
            "{:5}  {:8}  {:5}  {:8}  {:12}  {:7}  {:6} {:>6}  {:7}  {:7} {:>8}  {:5}",
            number + 1,
            of.requests,
            of.sold,
            of.recorded,
            money.settled,
            money.granted,
            of.killed,
            format!("({})", lost.cost),
            of.stopped,
            cut.requests,
            format!("({})", cut.cost),
            of.violations.len()
        );
    }
    for (number, of) in verdicts.iter().enumerate() {
        println!("round {}: {}", number + 1, of.heard);
        for violation in of.violations.iter().take(TOLD) {
            println!("  VIOLATION {violation}");
        }
    }
    verdicts.iter().all(Verdict::is_clean)
}
