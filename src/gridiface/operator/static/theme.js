// Before the page is drawn: the reader's choice of light or dark, so that nothing flashes.
try {
  const chosen = localStorage.getItem("gridiface-theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // no storage: the system's choice holds
}
