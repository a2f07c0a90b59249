"""One figure of a benchmark, as tools/bench/run reads it."""
import json


def figure(name, value, unit, goal, met, how, baseline=None):
    ratio = round(value / baseline, 4) if baseline else None
    print(json.dumps({"name": name, "value": round(value, 4), "unit": unit,
                      "baseline": round(baseline, 4) if baseline else None, "ratio": ratio,
                      "goal": goal, "met": met, "how": how}), flush=True)
