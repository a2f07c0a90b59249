import type { JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import { asApiError } from "../api/errors";
import { signIn } from "../state/server";
import { Mosaic } from "./icons";

/** The server sends whoever comes with a used link here. */
function linkProblem(): string {
  return new URLSearchParams(location.search).get("login") === "expired"
    ? "That link was used already or is too old. Sign in with the key, or restart Tessera for a new link."
    : "";
}

export function SignIn(): JSX.Element {
  const field = useRef<HTMLInputElement>(null);
  const [problem, setProblem] = useState(linkProblem);
  const [waiting, setWaiting] = useState(false);
  useEffect(() => field.current?.focus(), []);
  const submit = async () => {
    const key = field.current?.value.trim() ?? "";
    if (key === "") {
      setProblem("Paste the key first.");
      return;
    }
    setWaiting(true);
    try {
      await signIn(key);
    } catch (error) {
      const failure = asApiError(error);
      setProblem(
        failure.failure === "signin"
          ? "That is not the key of this server. Copy the whole file, without spaces."
          : `${failure.message} ${failure.advice}`,
      );
      setWaiting(false);
      field.current?.select();
    }
  };
  return (
    <main class="sign-in" id="main">
      <form
        class="form card"
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <Mosaic />
        <h1>Sign in to Tessera</h1>
        {/* Password managers file a key under a name. */}
        <input type="text" name="username" autocomplete="username" value="owner" readOnly hidden />
        <label for="key">Owner key</label>
        <input
          ref={field}
          id="key"
          name="key"
          type="password"
          autocomplete="current-password"
          spellcheck={false}
          aria-invalid={problem !== ""}
          aria-describedby="key-hint key-problem"
          onInput={() => setProblem("")}
        />
        <p id="key-problem" class="hint error" role="alert" hidden={problem === ""}>
          {problem}
        </p>
        <button type="submit" class="button primary wide" disabled={waiting}>
          {waiting ? "Signing in…" : "Sign in"}
        </button>
        <p id="key-hint" class="hint">
          The key is in the file <code>owner.key</code> of the data folder on the machine that runs
          Tessera. The link that <code>tessera up</code> prints when it starts signs you in without
          it.
        </p>
      </form>
    </main>
  );
}
