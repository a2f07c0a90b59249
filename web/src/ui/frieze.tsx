import type { JSX } from "preact";

const kColumns = 16;
const kRows = 4;
const kPitch = 22;
const kTile = 18;

/** How strongly a tile is laid on, [0, 1]: two waves that cross, with a grain that no two tiles share. */
function strength(column: number, row: number): number {
  const wave =
    Math.sin(column * 0.55 + row * 0.9) * 0.5 + Math.sin(column * 0.23 - row * 1.3 + 1) * 0.5;
  const grain = (Math.sin(column * 12.9898 + row * 78.233) * 43758.5453) % 1;
  const fade = 1 - column / (kColumns + 3);
  return Math.max(0.1, Math.min(1, (0.5 + wave * 0.4 + grain * 0.28) * fade));
}

/** A band of mosaic that thins out to the right; its tiles are laid one after another, once. */
export function Frieze(): JSX.Element {
  const tiles = Array.from({ length: kColumns * kRows }, (_, at) => {
    const column = Math.floor(at / kRows);
    const row = at % kRows;
    const opacity = strength(column, row);
    return (
      <rect
        key={at}
        x={column * kPitch}
        y={row * kPitch}
        width={kTile}
        height={kTile}
        rx={4}
        fill-opacity={opacity.toFixed(2)}
        style={{ animationDelay: `${column * 24 + row * 18}ms` }}
      />
    );
  });
  const width = kColumns * kPitch - (kPitch - kTile);
  const height = kRows * kPitch - (kPitch - kTile);
  return (
    <svg class="frieze" viewBox={`0 0 ${width} ${height}`} aria-hidden="true" focusable="false">
      {tiles}
    </svg>
  );
}
