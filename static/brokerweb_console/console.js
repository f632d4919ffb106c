// The console works without any of this; these modules make it live and quick to handle.
import "./live.js";
import "./copy.js";
import "./select.js";
import "./sort.js";
import "./suggest.js";
import "./keys.js";
import "./palette.js";
import "./zone.js";
import "./once.js";
import "./tabs.js";
import "./unsent.js";
import "./chart.js";
import "./export.js";
