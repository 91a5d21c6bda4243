"use strict";
// Conveniences; every page works without them.
(() => {
    // "/" goes to the search box of the page or, where there is none, of the header.
    document.addEventListener("keydown", (event) => {
        const typing = event.target.closest("input, textarea, select, [contenteditable]");
        if (event.key !== "/" || typing || event.ctrlKey || event.metaKey || event.altKey) {
            return;
        }
        const box = document.querySelector("#searchbar")
            ?? document.querySelector("#site-search input");
        if (box) {
            event.preventDefault();
            box.focus();
            box.select();
        }
    });

    // One pop-up open at a time; Escape or a click elsewhere closes it.
    const popups = document.querySelectorAll("details.filter, details.menu");
    const close = (except) => popups.forEach((popup) => {
        if (popup !== except) {
            popup.open = false;
        }
    });
    document.addEventListener("click", (event) => close(event.target.closest("details")));
    document.addEventListener("keydown", (event) => {
        const open = [...popups].find((popup) => popup.open);
        if (event.key === "Escape" && open) {
            close();
            open.querySelector("summary").focus();
        }
    });

    // A button that copies what the element named by data-copy holds.
    document.querySelectorAll("[data-copy]").forEach((button) => {
        button.hidden = !navigator.clipboard;
        button.addEventListener("click", async () => {
            const source = document.getElementById(button.dataset.copy);
            await navigator.clipboard.writeText(source.textContent.trim());
            button.textContent = "Copied";
        });
    });

    // Work in the background: its progress, until it has come to an end.
    document.querySelectorAll("[data-progress]").forEach((box) => {
        const look = async () => {
            try {
                const answer = await fetch(box.dataset.progress, { credentials: "same-origin" });
                const job = await answer.json();
                box.querySelector("progress").value = job.progress;
                box.querySelector("[data-label]").textContent = job.label;
                box.querySelector("[data-percent]").textContent = `${job.progress} %`;
                if (!job.working) {
                    window.location.reload();
                    return;
                }
            } catch {
                // The server may be busy or gone for a moment; the next look tells.
            }
            window.setTimeout(look, 800);
        };
        window.setTimeout(look, 400);
    });
})();
