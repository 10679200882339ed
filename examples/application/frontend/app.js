// The page of the example application. Its routes are client-side: /login and /todos.
const element = (id) => document.getElementById(id);

// call requests the API, which has the same origin as the page, and returns the response's JSON.
async function call(method, path, body) {
  const response = await fetch(path, {
    method,
    credentials: "same-origin",
    headers: body ? { "Content-Type": "application/json" } : {},
    body: body && JSON.stringify(body),
  });
  element("backend").textContent = response.headers.get("X-Backend") ?? "-";
  const text = await response.text();
  let content = {};
  try {
    content = text ? JSON.parse(text) : {};
  } catch {
    content = { error: text.trim() }; // the load balancer and the placeholder do not respond with JSON
  }
  if (!response.ok) {
    throw Object.assign(new Error(content.error || `${response.status} ${response.statusText}`), { status: response.status });
  }
  return content;
}

// attempt runs an action, and shows its error.
async function attempt(action) {
  try {
    element("error").textContent = "";
    await action();
  } catch (error) {
    if (error.status === 401 && location.pathname !== "/login") {
      show("/login");
    } else {
      element("error").textContent = error.message;
    }
  }
}

function show(path) {
  if (location.pathname !== path) {
    history.pushState({}, "", path);
  }
  element("login").hidden = path !== "/login";
  element("todos").hidden = path === "/login";
}

async function loadTasks() {
  const { tasks, cache } = await call("GET", "/tasks");
  element("cache").textContent = cache === "hit" ? "the cache" : "the data";
  element("cache").dataset.cache = cache;
  element("list").replaceChildren(...tasks.map(row));
}

// row is the list's row of a task.
function row(task) {
  const item = document.createElement("li");
  item.classList.toggle("done", task.done);
  const box = Object.assign(document.createElement("input"), { type: "checkbox", checked: task.done, ariaLabel: "Done" });
  box.addEventListener("change", () => attempt(async () => {
    await call("PATCH", `/tasks/${task.id}`, { done: box.checked });
    await loadTasks();
  }));
  const title = document.createElement("span");
  title.textContent = task.title;
  const remove = Object.assign(document.createElement("button"), { type: "button", textContent: "Delete" });
  remove.addEventListener("click", () => attempt(async () => {
    await call("DELETE", `/tasks/${task.id}`);
    await loadTasks();
  }));
  item.append(box, title, remove);
  return item;
}

// open shows the tasks if there is a session, and the login form if there is none.
async function open() {
  const { name } = await call("GET", "/users/me");
  element("user").textContent = name;
  await loadTasks();
  show("/todos");
}

element("login").addEventListener("submit", (event) => {
  event.preventDefault();
  const { name, password } = Object.fromEntries(new FormData(event.target));
  attempt(async () => {
    await call("POST", "/auth/login", { name, password });
    event.target.reset();
    await open();
  });
});
element("logout").addEventListener("click", () => attempt(async () => {
  await call("POST", "/auth/logout");
  show("/login");
}));
element("add").addEventListener("submit", (event) => {
  event.preventDefault();
  const { title } = Object.fromEntries(new FormData(event.target));
  attempt(async () => {
    await call("POST", "/tasks", { title });
    event.target.reset();
    await loadTasks();
  });
});
element("reload").addEventListener("click", () => attempt(loadTasks));
addEventListener("popstate", () => show(location.pathname === "/login" ? "/login" : "/todos"));

if (location.pathname === "/login") {
  show("/login");
} else {
  attempt(open);
}
