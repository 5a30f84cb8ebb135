// Fills the page from the stream of events. Whatever comes from there was chosen by strangers, so it
// only ever becomes text: nothing here makes markup of it.
"use strict";

const find = (id) => document.getElementById(id);

/** Makes an element of a class with children, which are elements or text. */
function make(tag, name, ...children) {
    const element = document.createElement(tag);
    if (name) element.className = name;
    element.append(...children);
    return element;
}

/** Sets a text, unless it is there: readers of screens repeat what is set. */
function say(element, text) {
    if (element.textContent !== text) element.textContent = text;
}

function state(element, kind, text) {
    const name = "state " + kind;
    if (element.className !== name) element.className = name;
    say(element, text);
}

/** Does something once at the next frame, however often it is asked for. */
function atNextFrame(work) {
    let asked = false;
    return () => {
        if (asked) return;
        asked = true;
        // A page that nobody sees has no frames.
        (document.hidden ? setTimeout : requestAnimationFrame)(() => {
            asked = false;
            work();
        });
    };
}

function duration(seconds) {
    if (seconds < 120) return seconds + " s";
    if (seconds < 7200) return Math.floor(seconds / 60) + " min";
    if (seconds < 172800) return Math.floor(seconds / 3600) + " h";
    return Math.floor(seconds / 86400) + " days";
}

/** How long a member has held its slot; nothing where its record does not say. */
function age(member) {
    if (member.age === null) return "";
    return duration(member.age + Math.floor((performance.now() - member.heard) / 1000));
}

function plural(number, one, many) {
    return number.toLocaleString("en") + " " + (number === 1 ? one : many);
}

/** A row of a table whose columns have these headings. */
function row(headings, texts) {
    const cells = texts.map((text, index) => {
        const cell = make("td", "", text);
        cell.dataset.label = headings[index];
        return cell;
    });
    return make("tr", "", ...cells);
}

/* Pools */

/** The most slots that are shown at a time. */
const WINDOW = 1000;

/** The most slots that draw attention to themselves at a time. */
const MOST_NEWS = 40;

const MEMBER_COLUMNS = ["Slot", "Name", "Addresses", "Epoch", "Age", "State", "Meta"];

const pools = new Map();

class PoolCard {
    constructor(id) {
        this.id = id;
        this.members = new Map();
        this.highest = 0;
        this.first = 1;
        this.chosen = null;
        this.cells = [];
        /** What shows the age of a member, and the member. */
        this.ages = { detail: [], table: [] };
        this.changed = new Set();
        this.all = true;
        this.quietUntil = 0;
        this.ownSlot = null;
        this.limit = 0;

        this.title = make("h3");
        this.title.id = "pool-" + encodeURIComponent(id);
        this.pattern = make("code");
        this.count = make("span", "quiet");
        this.own = make("p");
        this.store = make("p");
        this.problem = make("p", "wrong");
        this.notes = make("div", "hint");
        this.grid = make("div", "grid");
        this.grid.tabIndex = 0;
        this.grid.setAttribute("role", "listbox");
        this.grid.setAttribute("aria-labelledby", this.title.id);
        this.back = make("button", "", "Earlier slots");
        this.forth = make("button", "", "Later slots");
        this.place = make("span", "quiet");
        this.range = make("div", "range", this.back, this.forth, this.place);
        this.legend = make("ul", "legend");
        for (const [kind, text] of [
            ["held own", "this node"],
            ["held", "held"],
            ["held down", "health check fails, or evicted"],
            ["", "free"],
        ]) {
            this.legend.append(make("li", "", make("span", "slot " + kind), text));
        }
        this.stale = make("li", "stale", make("span", "slot held"), "as it was: the store is away");
        this.legend.append(this.stale);
        this.detail = make("div", "chosen-slot");
        this.detail.setAttribute("aria-live", "polite");
        this.rows = make("tbody");
        this.filter = make("input", "filter");
        this.filter.type = "search";
        this.filter.placeholder = "Filter";
        this.filter.setAttribute("aria-label", "Filter members of the pool");
        this.shown = make("p", "hint");
        const head = make("tr");
        for (const text of MEMBER_COLUMNS) {
            const cell = make("th", "", text);
            cell.scope = "col";
            head.append(cell);
        }
        const table = make("table", "", make("thead", "", head), this.rows);
        this.table = make(
            "details",
            "",
            make("summary", "", "Members as a table"),
            this.filter,
            this.shown,
            make("div", "scroll", table),
        );
        this.element = make(
            "article",
            "card",
            make("div", "head", this.title, this.pattern, this.count),
            this.own,
            this.store,
            this.problem,
            this.notes,
            this.grid,
            this.legend,
            this.range,
            this.detail,
            this.table,
        );
        this.draw = atNextFrame(() => this.drawNow());
        this.list = atNextFrame(() => this.listNow());

        const cellOf = (event) => event.target.closest("[data-slot]");
        this.grid.addEventListener("click", (event) => {
            const cell = cellOf(event);
            if (cell) this.choose(Number(cell.dataset.slot));
        });
        this.grid.addEventListener("keydown", (event) => this.key(event));
        this.grid.addEventListener("focus", () => {
            if (this.chosen === null) this.choose(this.first);
        });
        this.back.addEventListener("click", () => this.show(this.first - WINDOW));
        this.forth.addEventListener("click", () => this.show(this.first + WINDOW));
        this.filter.addEventListener("input", this.list);
        this.table.addEventListener("toggle", this.list);
    }

    /** Takes in how the pool is doing. */
    update(pool) {
        this.pool = pool;
        say(this.title, pool.id);
        say(this.pattern, pool.pattern);
        const { own, store } = pool;
        if (own) {
            const epoch = own.epoch === null ? "" : " (epoch " + own.epoch + ")";
            state(this.own, "good", "this node is " + own.name + epoch);
        } else if (!pool.claims) {
            this.own.className = "quiet";
            say(this.own, "this node claims no name here");
        } else {
            state(this.own, "waiting", pool.full ? "all slots are taken" : "no name yet");
        }
        const where = store.place;
        if (store.freshness === "current") {
            state(this.store, "good", where + " tells every change");
        } else if (store.freshness === "away") {
            const since = duration(store.away_seconds);
            state(this.store, "bad", where + " has been away for " + since + "; this is how it was");
        } else {
            state(this.store, "waiting", where + " was not heard of yet");
        }
        say(this.problem, pool.problem || "");
        this.notes.replaceChildren(...pool.notes.map((note) => make("p", "", note)));
        const stale = store.freshness === "away";
        this.grid.classList.toggle("stale", stale);
        this.stale.hidden = !stale;
        const slot = own ? own.slot : null;
        if (slot !== this.ownSlot || pool.limit !== this.limit) this.all = true;
        this.ownSlot = slot;
        this.limit = pool.limit;
        this.draw();
    }

    /** Takes in who holds what. */
    change({ whole, members, freed }) {
        if (whole) {
            const kept = new Set(members.map((member) => member.slot));
            for (const slot of this.members.keys()) {
                if (!kept.has(slot)) this.changed.add(slot);
            }
            this.members.clear();
            // What was there before us is no news.
            this.quietUntil = performance.now() + 1500;
        }
        for (const member of members) {
            member.heard = performance.now();
            this.members.set(member.slot, member);
            this.highest = Math.max(this.highest, member.slot);
            this.changed.add(member.slot);
        }
        for (const slot of freed) {
            this.members.delete(slot);
            this.changed.add(slot);
        }
        this.draw();
        this.list();
    }

    last() {
        return Math.max(this.pool ? this.pool.limit : 0, this.highest);
    }

    show(first) {
        this.first = Math.max(1, Math.min(first, this.last() - ((this.last() - 1) % WINDOW)));
        this.all = true;
        this.draw();
    }

    drawNow() {
        if (!this.pool) return;
        const last = this.last();
        const number = Math.min(WINDOW, last - this.first + 1);
        const held = this.members.size;
        say(this.count, held.toLocaleString("en") + " of " + plural(this.pool.limit, "name", "names") + " held");
        if (this.cells.length !== number || this.all) {
            while (this.cells.length > number) this.cells.pop().remove();
            const added = document.createDocumentFragment();
            while (this.cells.length < number) {
                const cell = make("div", "slot");
                cell.setAttribute("role", "option");
                this.cells.push(cell);
                added.append(cell);
            }
            this.grid.append(added);
            this.cells.forEach((cell, index) => this.drawCell(cell, this.first + index, false));
        } else {
            // A herd is seen anyway.
            const isNews = performance.now() > this.quietUntil && this.changed.size <= MOST_NEWS;
            for (const slot of this.changed) {
                const cell = this.cells[slot - this.first];
                if (cell) this.drawCell(cell, slot, isNews);
            }
        }
        if (this.all || this.changed.has(this.chosen)) this.drawDetail();
        this.all = false;
        this.changed.clear();
        this.range.hidden = last <= WINDOW;
        this.back.disabled = this.first === 1;
        this.forth.disabled = this.first + number > last;
        say(this.place, "slots " + this.first + " to " + (this.first + number - 1) + " of " + last);
    }

    /** What a slot is, in a word for the style and in words for people. */
    kind(slot) {
        const member = this.members.get(slot);
        if (!member) return ["", "free"];
        if (member.evicted) return ["held down", "evicted: nobody can have it yet"];
        const own = this.pool.own && this.pool.own.slot === slot;
        const words = (own ? "this node" : "held") + (member.down ? ", health check fails" : "");
        return ["held" + (own ? " own" : "") + (member.down ? " down" : ""), words];
    }

    drawCell(cell, slot, isNews) {
        const [kind, words] = this.kind(slot);
        const isChosen = slot === this.chosen;
        const name = "slot " + kind + (isChosen ? " chosen" : "");
        const member = this.members.get(slot);
        const label = slot + ": " + (member ? member.name + ", " : "") + words;
        // What is the same is not touched: there are a thousand of these.
        if (cell.shownName !== name) {
            cell.className = name + (isNews && kind ? " fresh" : "");
            cell.shownName = name;
        }
        if (cell.shownLabel !== label) {
            cell.title = label;
            cell.setAttribute("aria-label", label);
            cell.shownLabel = label;
        }
        if (cell.shownSlot !== slot) {
            cell.id = this.title.id + "-" + slot;
            cell.dataset.slot = slot;
            cell.shownSlot = slot;
        }
        if (cell.shownChosen !== isChosen) {
            cell.setAttribute("aria-selected", String(isChosen));
            cell.shownChosen = isChosen;
        }
    }

    choose(slot) {
        const before = this.chosen;
        this.chosen = slot;
        for (const one of [before, slot]) {
            const cell = this.cells[one - this.first];
            if (one !== null && cell) this.drawCell(cell, one, false);
        }
        const cell = this.cells[slot - this.first];
        if (cell) this.grid.setAttribute("aria-activedescendant", cell.id);
        this.drawDetail();
    }

    drawDetail() {
        if (this.chosen === null) {
            this.detail.replaceChildren(make("span", "hint", "Choose a slot to see who holds it."));
            return;
        }
        const member = this.members.get(this.chosen);
        const [, words] = this.kind(this.chosen);
        const facts = [["Slot", this.chosen + ", " + words]];
        this.ages.detail = [];
        if (member) {
            facts.push(["Name", member.name]);
            facts.push(["Addresses", member.addresses.join(", ") || "none"]);
            facts.push(["Epoch", String(member.epoch)]);
            if (member.age !== null) {
                const shown = make("span", "", age(member));
                // Whoever is read to need not hear each second.
                shown.setAttribute("aria-live", "off");
                this.ages.detail.push([shown, member]);
                facts.push(["Age", shown]);
            }
            if (member.node) facts.push(["Node", member.node]);
            for (const [name, port] of Object.entries(member.ports)) facts.push(["Port " + name, port]);
            for (const [key, value] of Object.entries(member.meta)) facts.push([key, value]);
        }
        const list = make("dl");
        for (const [key, value] of facts) list.append(make("dt", "", key), make("dd", "", value));
        this.detail.replaceChildren(list);
    }

    /** Shows how time has passed. */
    grow() {
        for (const [element, member] of [...this.ages.detail, ...this.ages.table]) say(element, age(member));
    }

    key(event) {
        if (this.cells.length === 0) return;
        const first = this.cells[0].offsetTop;
        const inRow = this.cells.findIndex((cell) => cell.offsetTop !== first);
        const row = inRow < 0 ? this.cells.length : inRow;
        const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -row, ArrowDown: row }[event.key];
        let slot = this.chosen === null ? this.first : this.chosen + (step || 0);
        if (event.key === "Home") slot = this.first;
        else if (event.key === "End") slot = this.first + this.cells.length - 1;
        else if (!step) return;
        event.preventDefault();
        if (slot >= this.first && slot < this.first + this.cells.length) this.choose(slot);
    }

    listNow() {
        if (!this.table.open || !this.pool) return;
        const wanted = this.filter.value.toLowerCase();
        const rows = [];
        this.ages.table = [];
        let number = 0;
        for (const slot of [...this.members.keys()].sort((one, other) => one - other)) {
            const member = this.members.get(slot);
            const meta = Object.entries(member.meta).map((pair) => pair.join("=")).join(" ");
            const texts = [
                String(slot),
                member.name,
                member.addresses.join(" "),
                String(member.epoch),
                age(member),
                this.kind(slot)[1],
                meta,
            ];
            if (!texts.join(" ").toLowerCase().includes(wanted)) continue;
            number += 1;
            if (number > WINDOW) continue;
            const shown = row(MEMBER_COLUMNS, texts);
            rows.push(shown);
            this.ages.table.push([shown.cells[MEMBER_COLUMNS.indexOf("Age")], member]);
        }
        const more = number > WINDOW ? ", of which the first " + WINDOW + " are shown" : "";
        say(this.shown, plural(number, "member", "members") + more);
        this.rows.replaceChildren(...rows);
    }
}

function showPools(list) {
    const ids = new Set(list.map((pool) => pool.id));
    for (const [id, card] of pools) {
        if (!ids.has(id)) {
            card.element.remove();
            pools.delete(id);
        }
    }
    for (const pool of list) {
        if (!pools.has(pool.id)) {
            const card = new PoolCard(pool.id);
            pools.set(pool.id, card);
            find("pools").append(card.element);
        }
        pools.get(pool.id).update(pool);
    }
    find("no-pools").hidden = list.length > 0;
}

/** A list of terms and what they are. */
function facts(list, pairs) {
    const text = JSON.stringify(pairs);
    if (list.facts === text) return;
    list.facts = text;
    list.replaceChildren(
        ...pairs.flatMap(([term, value]) => [make("dt", "", term), make("dd", "number", value)]),
    );
}

const count = (number) => number.toLocaleString("en");

/* Stores */

function showStores(list) {
    const stores = new Map();
    for (const { id, store, problem } of list) {
        const known = stores.get(store.place) || { worst: store, ids: [], problems: [] };
        if (store.freshness !== "current") known.worst = store;
        known.ids.push(id);
        if (problem) known.problems.push(problem);
        stores.set(store.place, known);
    }
    const shown = [...stores].map(([place, { worst, ids, problems }]) => {
        const line = make("p");
        const away = worst.away_seconds === null ? "" : " for " + duration(worst.away_seconds);
        const [kind, words] = {
            current: ["good", "tells every change"],
            away: ["bad", "has been away" + away],
            unknown: ["waiting", "was not heard of yet"],
        }[worst.freshness];
        state(line, kind, place + " " + words);
        const pools = make("p", "hint", "pools: " + ids.join(", "));
        return make("div", "", line, pools, ...problems.map((text) => make("p", "wrong", text)));
    });
    find("store-list").replaceChildren(...shown);
    find("stores").hidden = shown.length === 0;
}

/* Containers */

/** The most claims that are asked for, and the most that are shown. */
const MOST_CLAIMS = 20000;
const MOST_ROWS = 500;

const CLAIM_COLUMNS = ["Name", "Container", "By its", "Addresses", "Leads to it"];

let claims = [];
let fetching = null;

function showEngines({ engines, changed }) {
    find("containers").hidden = engines.length === 0;
    const shown = engines.map((engine) => {
        const line = make("p");
        const version = engine.version ? " (" + engine.version + ")" : "";
        const runs = plural(engine.containers, "container", "containers");
        if (engine.freshness === "current") {
            state(line, "good", engine.place + version + ": " + runs);
        } else if (engine.freshness === "away") {
            const since = duration(engine.away_seconds);
            state(line, "bad", engine.place + " has been away for " + since + ": " + runs + " as they were");
        } else {
            state(line, engine.expected ? "bad" : "waiting", engine.place + " was not heard of yet");
        }
        const more = [];
        if (engine.trouble && engine.freshness !== "current") more.push(make("p", "wrong", engine.trouble));
        if (engine.unreadable) {
            const text = plural(engine.unreadable, "container", "containers") + " could not be shown";
            more.push(make("p", "wrong", text));
        }
        return make("div", "", line, ...more);
    });
    find("engines").replaceChildren(...shown);
    // Many changes make one question.
    if (changed && engines.length > 0 && fetching === null) fetching = setTimeout(fetchClaims, 400);
}

async function fetchClaims() {
    try {
        const all = [];
        let from = 0;
        while (from !== null && all.length < MOST_CLAIMS) {
            const answer = await fetch("api/v1/containers?from=" + from);
            if (!answer.ok) break;
            const page = await answer.json();
            all.push(...page.claims);
            from = page.next;
        }
        claims = all;
        drawClaims();
    } catch {
        // The stream says that we are not connected.
    } finally {
        fetching = null;
    }
}

function leads(claim) {
    const words = {
        alone: "yes",
        among: "yes, one of " + claim.among,
        hidden: "no: " + claim.reason,
    }[claim.standing];
    return claim.unshared ? words + "; not shared: " + claim.unshared : words;
}

const drawClaims = atNextFrame(() => {
    const wanted = find("claims-filter").value.toLowerCase();
    const onlyHidden = find("claims-hidden").checked;
    const rows = [];
    let number = 0;
    for (const claim of claims) {
        if (onlyHidden && claim.standing !== "hidden") continue;
        const host = claim.host ? " on " + claim.host : "";
        const network = claim.network ? " in " + claim.network : "";
        const texts = [
            claim.name,
            claim.container + host,
            claim.source + network,
            claim.addresses.join(" "),
            leads(claim),
        ];
        if (!texts.join(" ").toLowerCase().includes(wanted)) continue;
        number += 1;
        if (number > MOST_ROWS) continue;
        const shown = row(CLAIM_COLUMNS, texts);
        if (claim.standing === "hidden") shown.lastElementChild.className = "wrong";
        rows.push(shown);
    }
    const more = number > MOST_ROWS ? ", of which the first " + MOST_ROWS + " are shown" : "";
    say(find("claims-count"), plural(number, "name", "names") + more);
    find("claims").replaceChildren(...rows);
});

/* Queries and cache */

/** Queries per second, of the last minute. */
const rates = new Array(60).fill(0);
let counted = null;
let current = 0;

function showNumbers({ at, queries, cache }) {
    if (counted && at > counted.at) {
        const more = queries.counts.requests - counted.requests;
        current = Math.max(0, more) * 1000 / (at - counted.at);
    }
    counted = { at, requests: queries.counts.requests, seen: performance.now() };
    const words = Object.entries(queries.counts).filter(([, number]) => number > 0);
    facts(find("counts"), words.map(([name, number]) => [name.replaceAll("_", " "), count(number)]));
    const by = Object.entries({ type: queries.by_type, code: queries.by_rcode });
    const lists = by.filter(([, numbers]) => Object.keys(numbers).length > 0).map(([name, numbers]) => {
        const sorted = Object.entries(numbers).sort((one, other) => other[1] - one[1]).slice(0, 12);
        return make("p", "hint number", "by " + name + ": " + sorted.map(([key, number]) => key + " " + count(number)).join(", "));
    });
    if (!queries.measured) lists.push(make("p", "hint", "Types and codes are counted in blocks with prometheus."));
    find("by").replaceChildren(...lists);
    find("cache").hidden = !cache.present;
    const share = cache.requests > 0 ? 100 * cache.hits / cache.requests : 0;
    say(find("hits"), share.toFixed(share > 0 && share < 10 ? 1 : 0) + " %");
    facts(find("cache-counts"), [
        ["replies kept", count(cache.entries)],
        ["looked up", count(cache.requests)],
        ["hits", count(cache.hits)],
        ["misses", count(cache.misses)],
        ["shared", count(cache.shared)],
        ["stale", count(cache.served_stale)],
        ["prefetched", count(cache.prefetches)],
        ["evicted", count(cache.evictions)],
    ]);
}

function drawRates() {
    // Nothing is told while nobody asks.
    if (counted && performance.now() - counted.seen > 2500) current = 0;
    rates.push(current);
    rates.shift();
    const most = Math.max(...rates, 1);
    const points = rates.map((rate, second) => (second * 60 / 59).toFixed(1) + "," + (19 - 18 * rate / most).toFixed(1));
    find("rates").firstElementChild.setAttribute("points", points.join(" "));
    say(find("rate"), count(Math.round(current)));
    say(find("rates-text"), "the last minute; at most " + count(Math.round(Math.max(...rates))) + " per second");
}

/* Events */

const MOST_EVENTS = 256;
const BAD = new Set(["lost", "full", "degraded", "store-away", "engine-away", "not-reloaded"]);
const GOOD = new Set(["claimed", "restored", "joined", "store-back", "engine-back", "reloaded"]);
let lastEvent = 0;

function showEvents(list) {
    const events = find("events");
    // A process that was started anew counts from 1 again.
    if (list.length > 0 && list[0].number === 1 && lastEvent > 0 && list.at(-1).number < lastEvent) {
        events.replaceChildren();
        lastEvent = 0;
    }
    for (const { number, at, kind, about, text } of list) {
        if (number <= lastEvent) continue;
        lastEvent = number;
        const when = new Date(at);
        const time = make("time", "quiet", when.toLocaleTimeString([], { hour12: false }));
        time.dateTime = when.toISOString();
        time.title = when.toLocaleString();
        const mood = BAD.has(kind) ? "bad" : GOOD.has(kind) ? "good" : "";
        const word = make("span", mood, kind.replaceAll("-", " "));
        events.prepend(make("li", "", time, word, make("span", "", about + ": " + text)));
    }
    while (events.childElementCount > MOST_EVENTS) events.lastElementChild.remove();
    find("no-events").hidden = events.childElementCount > 0;
}

async function showVersion() {
    try {
        const answer = await fetch("api/v1/version");
        if (!answer.ok) return;
        const { version, system, machine, uptime_seconds: uptime } = await answer.json();
        say(find("version"), version + " on " + system + "/" + machine + ", up for " + duration(uptime));
    } catch {
        // The stream says that we are not connected.
    }
}

/* The stream */

function listen() {
    const connection = find("connection");
    const stream = new EventSource("events");
    const on = (name, take) => stream.addEventListener(name, (event) => take(JSON.parse(event.data)));
    stream.addEventListener("open", () => {
        state(connection, "good", "live");
        counted = null;
        showVersion();
    });
    stream.addEventListener("error", () => {
        state(connection, "bad", "not connected: what is shown is how it was");
        // The browser gives up where it is told that it may not look.
        if (stream.readyState === EventSource.CLOSED) setTimeout(listen, 5000);
    });
    on("pools", (list) => {
        showPools(list);
        showStores(list);
    });
    on("members", (changes) => {
        const card = pools.get(changes.pool);
        if (card) card.change(changes);
    });
    on("engines", showEngines);
    on("numbers", showNumbers);
    on("happenings", showEvents);
}

find("claims-filter").addEventListener("input", drawClaims);
find("claims-hidden").addEventListener("change", drawClaims);
setInterval(drawRates, 1000);
setInterval(() => {
    if (!document.hidden) for (const card of pools.values()) card.grow();
}, 1000);
listen();
