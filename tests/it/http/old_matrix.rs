//! Requests to the old routes: every difficulty with every limit, both with oddities, and whatever else a client could
//! send.

/// A request without a body.
#[derive(Clone, Debug)]
pub struct Case {
    pub method: &'static str,
    pub target: String,
}

const LIST: &str = "/api/challenges";
const ROUTES: [&str; 4] = [
    LIST,
    "/api/challenges/cache/invalidate",
    "/admin/cache/invalidate",
    "/admin/cache/status",
];

/// As they stand in a query; none where there is none.
const DIFFICULTIES: [&str; 21] = [
    "",
    "difficulty",
    "difficulty=",
    "difficulty=beginner",
    "difficulty=intermediate",
    "difficulty=advanced",
    "difficulty=Beginner",
    "difficulty=expert",
    "difficulty=1",
    "difficulty=%62eginne%72",
    "%64ifficulty=advanced",
    "difficulty=beginner+",
    "difficulty=%20beginner",
    "difficulty=beginner%0A",
    "difficulty=beginner%00",
    "difficulty=%C0%80",
    "difficulty=%ED%A0%80%F0%9F%98%80%22%5C",
    "difficulty=%zz%",
    "difficulty=beginner,advanced",
    "difficulty=beginner&difficulty=advanced",
    "difficulty=advanced&difficulty=",
];
const LIMITS: [&str; 29] = [
    "",
    "limit",
    "limit=",
    "limit=1",
    "limit=0",
    "limit=-1",
    "limit=-0",
    "limit=50",
    "limit=100",
    "limit=101",
    "limit=007",
    "limit=+7",
    "limit=%2B7",
    "limit=7%20",
    "limit=7.0",
    "limit=7.",
    "limit=7.5",
    "limit=1e1",
    "limit=0x10",
    "limit=1_0",
    "limit=1__0",
    "limit=00000000000000000000__7",
    "limit=seven",
    "limit=%D9%A7",
    "limit=%EF%BC%97",
    "limit=7%00",
    "limit=99999999999999999999",
    "limit=3&limit=4",
    "limit=3&limit=many",
];

/// What stands elsewhere than in a difficulty or a limit.
const OTHER_QUERIES: [&str; 12] = [
    "?",
    "?&&&",
    "?=&=x",
    "?unknown=1&page_size=0",
    "?Limit=0&LIMIT=0",
    "?limit=5;difficulty=x",
    "?limit=5?",
    "?limit[]=0",
    "?limit==5",
    "?%6Cimit=0",
    "?li%00mit=0",
    "?offset=1&limit=2&offset=2",
];

/// Paths that are none, nearly one, or one in another spelling.
const OTHER_PATHS: [&str; 22] = [
    "/",
    "/api",
    "/api/",
    "/api/challenge",
    "/api/challenges/",
    "/api/challenges///",
    "/api/challenges/?limit=5&difficulty=%zz",
    "/api/challenges/?",
    "/api/challenges/x",
    "/api//challenges",
    "//api/challenges",
    "/API/challenges",
    "/%61pi/challenges?limit=2",
    "/api%2Fchallenges?limit=2",
    "/api/challenges%2F",
    "/api/challenges%00",
    "/api/challenges%C0%80",
    "/api/challenges%zz",
    "/api/challenges;v=1",
    "/api/./challenges",
    "/api/challenges/cache/invalidate/",
    "/admin/cache/status/",
];

const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"];

/// All of them.
pub fn cases() -> Vec<Case> {
    let get = |target: String| Case {
        method: "GET",
        target,
    };
    let filters = DIFFICULTIES.iter().flat_map(|difficulty| {
        LIMITS.iter().map(move |limit| {
            let both = [*difficulty, *limit];
            let given: Vec<_> = both.into_iter().filter(|it| !it.is_empty()).collect();
            get(format!("{LIST}?{}", given.join("&")))
        })
    });
    let queries = OTHER_QUERIES.iter().map(|query| format!("{LIST}{query}"));
    let long = [
        format!("{LIST}?limit={}", "1".repeat(4_300)),
        format!("{LIST}?limit={}", "1".repeat(4_301)),
        format!("{LIST}?difficulty={}", "x".repeat(20_000)),
        format!("{LIST}?{}", "unknown=1&".repeat(2_000)),
        // Declared as difficulty first, whatever comes first in the query.
        format!("{LIST}?limit=x&difficulty=x"),
    ];
    let paths = OTHER_PATHS.iter().map(|path| (*path).to_owned());
    let targets = queries.chain(long).chain(paths);
    let verbs = ROUTES.iter().flat_map(|route| {
        let slashed = format!("{route}/");
        let targets = [(*route).to_owned(), slashed];
        targets.into_iter().flat_map(|target| {
            METHODS.iter().map(move |method| Case {
                method,
                target: target.clone(),
            })
        })
    });
    filters.chain(targets.map(get)).chain(verbs).collect()
}
