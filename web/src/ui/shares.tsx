import type { JSX } from "preact";
import {
  forgetShares,
  proposeShares,
  setShare,
  type Share,
  type SharedService,
  sharedServices,
} from "../state/shares";
import { moving } from "../state/topology";

/** The parts of the calls that the versions of a service have, to be changed. */
export function Shares(): JSX.Element | null {
  if (sharedServices.value.length === 0) return null;
  return (
    <>
      {sharedServices.value.map((one) => (
        <SharesOf key={one.service} shared={one} />
      ))}
    </>
  );
}

function SharesOf({ shared }: { readonly shared: SharedService }): JSX.Element {
  const { service, shares, changed } = shared;
  return (
    <form
      class="shares"
      data-shares={service}
      onSubmit={(event) => {
        event.preventDefault();
        proposeShares(service);
      }}
    >
      <fieldset disabled={moving.value}>
        <legend>
          Calls of <strong>{service}</strong>, by version
        </legend>
        {shares.map((share) => (
          <ShareLine key={share.group} service={service} share={share} />
        ))}
        <div class="shares-actions">
          <button type="submit" class="button primary" disabled={!changed}>
            Apply
          </button>
          <button
            type="button"
            class="button"
            disabled={!changed}
            onClick={() => forgetShares(service)}
          >
            Reset
          </button>
          <span class="hint">
            {changed ? "Not applied yet. Together they are always 100 %." : "Together 100 %."}
          </span>
        </div>
      </fieldset>
    </form>
  );
}

function ShareLine({
  service,
  share,
}: {
  readonly service: string;
  readonly share: Share;
}): JSX.Element {
  const { group, now, wanted, versions } = share;
  const set = (event: JSX.TargetedEvent<HTMLInputElement>) => {
    if (event.currentTarget.value !== "") setShare(service, group, Number(event.currentTarget.value));
  };
  return (
    <div class="share" data-share={group}>
      <span class="share-name">
        {group}
        {versions.length > 0 && <span class="meta"> version {versions.join(" and ")}</span>}
      </span>
      <input
        type="range"
        min={0}
        max={100}
        step={1}
        value={wanted}
        aria-label={`Part of ${group} in the calls of ${service}`}
        aria-valuetext={`${wanted} percent`}
        onInput={set}
      />
      <span class="share-number">
        <input
          type="number"
          min={0}
          max={100}
          step={1}
          value={wanted}
          aria-label={`Percent of ${group} in the calls of ${service}`}
          onInput={set}
        />
        <span aria-hidden="true">%</span>
      </span>
      <span class="meta share-now">{now === wanted ? "" : `now ${now} %`}</span>
    </div>
  );
}
