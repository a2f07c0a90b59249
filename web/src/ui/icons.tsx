import type { JSX } from "preact";

const kPaths = {
  plus: "M12 5v14M5 12h14",
  search: "M11 4a7 7 0 1 0 0 14 7 7 0 0 0 0-14ZM20 20l-4-4",
  send: "M12 19V5M6 11l6-6 6 6",
  close: "M6 6l12 12M18 6 6 18",
  menu: "M4 7h16M4 12h16M4 17h10",
  files:
    "M8 3h7l4 4v10a1 1 0 0 1-1 1H8a1 1 0 0 1-1-1V4a1 1 0 0 1 1-1ZM15 3v4h4M4 7v13a1 1 0 0 0 1 1h10",
  copy: "M9 9h10v11H9zM5 15V4h10",
  check: "M5 12.5 10 17l9-10",
  redo: "M19 8a8 8 0 1 0 1 6M20 3v5h-5",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10.5 11v5M13.5 11v5",
  pencil: "M4 20l1-4L16.5 4.5l3 3L8 19l-4 1Z",
  open: "M14 4h6v6M20 4l-9 9M18 14v5a1 1 0 0 1-1 1H5a1 1 0 0 1-1-1V7a1 1 0 0 1 1-1h5",
  link: "M10 14a4 4 0 0 0 6 0l3-3a4 4 0 0 0-6-6l-1 1M14 10a4 4 0 0 0-6 0l-3 3a4 4 0 0 0 6 6l1-1",
  settings:
    "M4 7h9M19 7h1M4 17h1M11 17h9M16 4.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5ZM8 14.5a2.5 2.5 0 1 0 0 5 2.5 2.5 0 0 0 0-5Z",
  sun: "M12 8a4 4 0 1 0 0 8 4 4 0 0 0 0-8ZM12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.5 1.5M17.5 17.5 19 19M19 5l-1.5 1.5M6.5 17.5 5 19",
  moon: "M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5Z",
  auto: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18ZM12 3v18",
  up: "M6 14l6-6 6 6",
  down: "M6 10l6 6 6-6",
  left: "M14 6l-6 6 6 6",
  right: "M10 6l6 6-6 6",
  upload: "M12 16V5M7 9.5 12 4.5l5 5M4 16v3a1 1 0 0 0 1 1h14a1 1 0 0 0 1-1v-3",
  warn: "M12 4 2.5 20h19L12 4ZM12 10v4M12 17v.5",
  tiles: "M4 4h7v8H4zM14 4h6v4h-6zM14 11h6v9h-6zM4 15h7v5H4z",
  pulse: "M3 12h4l3-8 4 16 3-8h4",
  minus: "M5 12h14",
  undo: "M4 9h10a6 6 0 0 1 0 12h-4M8 5 4 9l4 4",
  pin: "M9 4h6l-1 6 3 4H7l3-4-1-6ZM12 14v6",
  grip: "M9 6v.01M15 6v.01M9 12v.01M15 12v.01M9 18v.01M15 18v.01",
} as const;

export type IconName = keyof typeof kPaths;

/** A line drawing beside or instead of a label; never the only name of a control. */
export function Icon({ name }: { readonly name: IconName }): JSX.Element {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={kPaths[name]} />
    </svg>
  );
}

/** The mosaic: Tessera's sign. */
export function Mosaic(): JSX.Element {
  return (
    <svg class="mosaic" viewBox="0 0 32 32" aria-hidden="true" focusable="false">
      <rect x="3" y="3" width="12" height="12" rx="2.5" />
      <rect x="17" y="3" width="12" height="7" rx="2.5" opacity=".55" />
      <rect x="17" y="12" width="5" height="17" rx="2.3" opacity=".8" />
      <rect x="24" y="12" width="5" height="17" rx="2.3" opacity=".35" />
      <rect x="3" y="17" width="12" height="12" rx="2.5" opacity=".45" />
    </svg>
  );
}
