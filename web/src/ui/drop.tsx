import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { documentsShownBeside, narrow, toggleDocuments } from "../state/layout";
import { settings } from "../state/settings";
import { addFiles, addLinks } from "../state/uploads";
import { Icon } from "./icons";
import { linksOf } from "./add";

const kFilesMost = 5000;

async function filesBelow(entry: FileSystemEntry, into: File[]): Promise<void> {
  if (into.length >= kFilesMost || entry.name.startsWith(".")) return;
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) =>
      (entry as FileSystemFileEntry).file(resolve, reject),
    );
    Object.defineProperty(file, "webkitRelativePath", { value: entry.fullPath.replace(/^\//, "") });
    into.push(file);
    return;
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  for (;;) {
    const entries = await new Promise<FileSystemEntry[]>((resolve, reject) =>
      reader.readEntries(resolve, reject),
    );
    if (entries.length === 0) return;
    for (const child of entries) await filesBelow(child, into);
  }
}

/** Everything that was dropped: files, folders with all below them, or links. */
async function take(transfer: DataTransfer): Promise<void> {
  const entries = [...transfer.items]
    .map((item) => item.webkitGetAsEntry())
    .filter((entry) => entry !== null);
  const plain = [...transfer.files];
  const address = transfer.getData("text/uri-list") || transfer.getData("text/plain");
  const files: File[] = [];
  if (entries.some((entry) => entry.isDirectory))
    for (const entry of entries) await filesBelow(entry, files);
  else files.push(...plain);
  if (files.length > 0) addFiles(files);
  else addLinks(linksOf(address).good);
  if (!documentsShownBeside.value && !narrow.value) toggleDocuments();
}

function carriesDocuments(event: DragEvent): boolean {
  const types = event.dataTransfer?.types ?? [];
  return types.includes("Files") || types.includes("text/uri-list");
}

/** The whole page takes what is dropped on it. */
export function DropTarget(): JSX.Element | null {
  const [over, setOver] = useState(false);
  useEffect(() => {
    let depth = 0;
    const enter = (event: DragEvent) => {
      if (!carriesDocuments(event)) return;
      event.preventDefault();
      depth += 1;
      setOver(true);
    };
    const move = (event: DragEvent) => {
      if (carriesDocuments(event)) event.preventDefault();
    };
    const leave = () => {
      depth = Math.max(0, depth - 1);
      if (depth === 0) setOver(false);
    };
    const drop = (event: DragEvent) => {
      depth = 0;
      setOver(false);
      if (!carriesDocuments(event) || event.dataTransfer === null) return;
      event.preventDefault();
      void take(event.dataTransfer);
    };
    window.addEventListener("dragenter", enter);
    window.addEventListener("dragover", move);
    window.addEventListener("dragleave", leave);
    window.addEventListener("drop", drop);
    return () => {
      window.removeEventListener("dragenter", enter);
      window.removeEventListener("dragover", move);
      window.removeEventListener("dragleave", leave);
      window.removeEventListener("drop", drop);
    };
  }, []);
  if (!over) return null;
  return (
    <div class="drop-over" aria-hidden="true">
      <div>
        <Icon name="upload" />
        <p>
          Drop to add to <strong>{settings.value.collection}</strong>
        </p>
      </div>
    </div>
  );
}
