// Sends what is typed without leaving the page, so that the next text can be typed at once.
"use strict";

for (const form of document.querySelectorAll("form.write")) {
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const input = form.querySelector("input[name=text]");
    const button = event.submitter && event.submitter.name === "text" ? event.submitter : null;
    const text = button ? button.value : input ? input.value.trim() : "";
    if (!text) return;
    try {
      const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams({ text }), credentials: "same-origin" });
      if (!answer.ok) throw new Error(String(answer.status));
      if (input) input.value = "";
      const thread = document.getElementById("thread");
      if (thread) thread.scrollTop = thread.scrollHeight;
      if (window.carebell) window.carebell.refresh();
    } catch {
      // The plain form says what went wrong.
      form.submit();
    }
    if (input) input.focus();
  });
}
