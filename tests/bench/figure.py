"""One figure of a benchmark, as tools/bench/run reads it."""
import json


def figure(name, value, unit, goal, met, how):
    print(json.dumps({"name": name, "value": round(value, 4), "unit": unit, "baseline": None, "ratio": None,
                      "goal": goal, "met": met, "how": how}), flush=True)
