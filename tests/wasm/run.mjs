// Runs the suite on CPython 3.14, which the npm package pyodide is, compiled to WebAssembly:
// node run.mjs FOLDER [--part=1/4] [ARGUMENT ...], with pure Python packages in the folder and
// pytest's arguments.
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { isMainThread, Worker, workerData } from "node:worker_threads";

const MINUTES = 40;
const HERE = fileURLToPath(import.meta.url);

function startThread([packages, ...pytestArguments]) {
  // Only of a thread can the stack be made as large as Python's limit of recursion takes it to be.
  const thread = new Worker(HERE, {
    workerData: { packages: resolve(packages), pytestArguments },
    resourceLimits: { stackSizeMb: 200 },
  });
  thread.on("error", (error) => {
    console.error(`Python in WebAssembly broke down: ${String(error.message).slice(0, 4000)}`);
    process.exit(1);
  });
  thread.on("exit", (status) => process.exit(status));
  const giveUp = () => {
    console.error(`Not done in ${MINUTES} minutes; ARGS=-v shows the test it hangs in.`);
    process.exit(1);
  };
  setTimeout(giveUp, MINUTES * 60_000).unref();
}

async function runSuite({ packages, pytestArguments }) {
  // Pyodide writes to the file descriptors, which the streams of a thread do not name.
  [process.stdin, process.stdout, process.stderr].forEach((stream, fd) => (stream.fd = fd));
  const { loadPyodide } = await import("pyodide");
  const python = await loadPyodide({ env: { HOME: "/tmp" } });
  const folders = { "/checkout": resolve(HERE, "../../.."), "/lib/python3.14/site-packages": packages };
  for (const [folder, root] of Object.entries(folders)) {
    python.FS.mkdirTree(folder);
    python.FS.mount(python.FS.filesystems.NODEFS, { root }, folder);
  }
  python.FS.chdir("/checkout");
  python.runPython(`import sys; sys.path[:0] = ["/checkout", "/checkout/tests/wasm"]`);
  process.exit(python.pyimport("suite").main(pytestArguments));
}

if (isMainThread) startThread(process.argv.slice(2));
else await runSuite(workerData);
