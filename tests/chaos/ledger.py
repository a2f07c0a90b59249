"""What a server has acknowledged, and so what may be found in it after it was killed.

Everything has a set of possible states. Asking for a change adds its outcome to the set; the acknowledgement leaves only
the outcome. What is found must be in the set, and is the only possibility from then on.
"""
import threading

ABSENT = None


class Ledger:
    """Thread-safe. A name is changed by one thread at a time."""

    def __init__(self):
        self.lock = threading.Lock()
        self.documents = {}    # (collection, name) -> set of (File, Text) or ABSENT
        self.collections = {}  # name -> set of True or ABSENT
        self.jobs = {}         # id -> whether its sources may fail
        self.acknowledged = 0
        self.deleted_words = []  # (collection, word), of documents that are gone

    def ask(self, places, outcome):
        """`places`: of the documents to be changed; `outcome`: what each becomes, by place."""
        with self.lock:
            for place in places:
                self.documents.setdefault(place, {ABSENT}).add(outcome(place))

    def acknowledge(self, places, outcome):
        with self.lock:
            for place in places:
                gone = {state for state in self.documents[place] if state is not ABSENT and state != outcome(place)}
                self.deleted_words += [(place[0], text.word) for _, text in gone]
                self.documents[place] = {outcome(place)}
                self.acknowledged += 1

    def ask_collection(self, name, outcome):
        with self.lock:
            self.collections.setdefault(name, {ABSENT}).add(outcome)

    def acknowledge_collection(self, name, outcome):
        with self.lock:
            self.collections[name] = {outcome}
            self.acknowledged += 1

    def promise(self, job, may_fail=False):
        """A job whose 202 came: it has to end."""
        with self.lock:
            self.jobs[job] = may_fail

    def found(self, place, state):
        self.documents[place] = {state}

    def certain(self, collection=None):
        """Documents that are there for sure: place -> (File, Text)."""
        with self.lock:
            return {place: next(iter(states)) for place, states in self.documents.items()
                    if len(states) == 1 and ABSENT not in states and collection in (None, place[0])}


def places_of(collection, file):
    return [(collection, name) for name in file.texts]


def outcome_of(*files):
    """The outcome of ingesting these files."""
    by_name = {name: (file, text) for file in files for name, text in file.texts.items()}
    return lambda place: by_name[place[1]]


def gone(place):
    return ABSENT
