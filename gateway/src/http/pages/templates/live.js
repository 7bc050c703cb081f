// Every two seconds the page is fetched anew, and what is marked data-live takes its new content. Without this script
// a reload does the same.
"use strict";
(() => {
    const EVERY_MS = 2000;
    const pause = document.getElementById("pause");
    const stale = document.getElementById("stale");
    const clock = document.getElementById("clock");
    const names = [pause.textContent, pause.dataset.resume];
    let paused = false;

    const swap = (fresh) => {
        for (const old of document.querySelectorAll("[data-live]")) {
            const now = fresh.getElementById(old.id);
            if (now && now.innerHTML !== old.innerHTML) {
                old.replaceChildren(...now.childNodes);
            }
        }
    };

    const refresh = async () => {
        if (paused || document.hidden) {
            return;
        }
        try {
            const answer = await fetch(location.href, { cache: "no-store" });
            if (answer.redirected) {
                // The session has ended.
                location.reload();
                return;
            }
            if (!answer.ok) {
                throw new Error(answer.statusText);
            }
            swap(new DOMParser().parseFromString(await answer.text(), "text/html"));
            stale.hidden = true;
        } catch {
            stale.textContent = `${stale.dataset.words} ${clock.textContent}`;
            stale.hidden = false;
        }
    };

    pause.hidden = false;
    pause.addEventListener("click", () => {
        paused = !paused;
        pause.textContent = names[Number(paused)];
    });
    const next = async () => {
        await refresh();
        setTimeout(next, EVERY_MS);
    };
    setTimeout(next, EVERY_MS);
})();
