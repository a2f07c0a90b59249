import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { asApiError } from "../api/errors";
import { Icon } from "../ui/icons";
import { Dialog, IconButton, Working } from "../ui/parts";
import { getLevels, kLevels, type Level, type Levels, setLevel } from "./log_records";

interface LevelsDialogProps {
  /** Modules that have written something. */
  readonly modules: readonly string[];
  readonly onClose: () => void;
}

/** How much each module writes, changed in place. */
export function LevelsDialog({ modules, onClose }: LevelsDialogProps): JSX.Element {
  const [levels, setLevels] = useState<Levels | undefined>(undefined);
  const [problem, setProblem] = useState("");
  const [name, setName] = useState("");
  useEffect(() => {
    const controller = new AbortController();
    getLevels(controller.signal).then(setLevels, (error: unknown) => {
      if (!controller.signal.aborted) setProblem(asApiError(error).message);
    });
    return () => controller.abort();
  }, []);
  const change = async (module: string, level: Level | undefined) => {
    try {
      setLevels(await setLevel(module, level));
      setProblem("");
    } catch (error) {
      setProblem(asApiError(error).message);
    }
  };
  return (
    <Dialog title="Levels" onClose={onClose} class="small">
      <p class="hint">
        From which level on a module writes, in every process, at once and until the platform ends.
        A name stands for the modules below it too.
      </p>
      {problem !== "" && (
        <p class="note error" role="alert">
          <Icon name="warn" />
          <span>{problem}</span>
        </p>
      )}
      {levels === undefined ? (
        problem === "" && <Working label="Asking…" />
      ) : (
        <ul class="levels">
          <LevelRow
            name="all others"
            level={levels.others}
            onChange={(level) => void change("", level)}
          />
          {Object.entries(levels.modules).map(([module, level]) => (
            <LevelRow
              key={module}
              name={module}
              level={level}
              onChange={(next) => void change(module, next)}
              onDrop={() => void change(module, undefined)}
            />
          ))}
        </ul>
      )}
      <form
        class="level-add"
        onSubmit={(event) => {
          event.preventDefault();
          const module = name.trim();
          if (module === "") return;
          setName("");
          void change(module, "debug");
        }}
      >
        <label class="filter">
          <span>Write more of</span>
          <input
            list="modules-known"
            placeholder="services/retrieval"
            value={name}
            onInput={(event) => setName(event.currentTarget.value)}
          />
        </label>
        <datalist id="modules-known">
          {modules.map((module) => (
            <option key={module} value={module} />
          ))}
        </datalist>
        <button type="submit" class="button" disabled={name.trim() === ""}>
          Debug it
        </button>
      </form>
    </Dialog>
  );
}

interface LevelRowProps {
  readonly name: string;
  readonly level: Level;
  readonly onChange: (level: Level) => void;
  readonly onDrop?: () => void;
}

function LevelRow({ name, level, onChange, onDrop }: LevelRowProps): JSX.Element {
  return (
    <li>
      <span class="ellipsis">{name}</span>
      <select
        aria-label={`Level of ${name}`}
        value={level}
        onChange={(event) => onChange(event.currentTarget.value as Level)}
      >
        {kLevels.map((one) => (
          <option key={one} value={one}>
            {one}
          </option>
        ))}
      </select>
      {onDrop === undefined ? (
        <span class="level-space" />
      ) : (
        <IconButton icon="close" label={`As the others: ${name}`} onClick={onDrop} />
      )}
    </li>
  );
}
