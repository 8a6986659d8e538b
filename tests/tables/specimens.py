"""A few rows of each kind of file, made after its habits; the numbers are invented."""

from __future__ import annotations

from typing import NamedTuple

FIRST = "2021-06-18T00:00:00"


class Specimen(NamedTuple):
    """The text of a file, and what it says."""

    text: str
    series: tuple[str, ...]
    first: str
    """Time of the first row, UTC."""
    values: tuple[float, ...]
    """Values of the first series."""
    encoding: str = "utf-8"


TOA5 = """"TOA5","Logger","CR1000X","12342","CR1000X.Std.03.02","CPU:prog.CR1X","2438","Hourly"
"TIMESTAMP","RECORD","BattV","AirT_C(42)"
"TS","RN","Volts","Deg C"
"","","Avg","Smp"
"2021-06-18 00:00:00",0,13.2,NAN
"2021-06-18 01:00:00",1,13.3,18.27
"2021-06-18 02:00:00",2,13.1,18.29
"""
HOBO = """"Plot Title: pond 3"
"#","Date Time, GMT-05:00","Temp, °C (LGR S/N: 1)","Host Connected (LGR S/N: 1)","End Of File (LGR S/N: 1)"
1,06/17/21 07:00:00 PM,20.1,,
2,06/17/21 08:00:00 PM,20.2,,
3,06/17/21 09:00:00 PM,,Logged,Logged
"""
RDB = """# Data provided for site 04085427
# a second line
agency_cd\tsite_no\tdatetime\ttz_cd\t170_00060\t170_00060_cd
5s\t15s\t20d\t6s\t14n\t10s
USGS\t04085427\t2021-06-17 19:00\tCDT\t320\tA
USGS\t04085427\t2021-06-17 19:15\tCDT\tIce\tA
USGS\t04085427\t2021-06-17 19:30\tCDT\t322\tP
"""
NDBC = """#YY  MM DD hh mm WDIR WSPD GST  WVHT  PRES
#yr  mo dy hr mn degT m/s  m/s     m   hPa
2021 06 18 00 00 120  5.0  6.0 99.00 1012.1
2021 06 18 00 10 999  5.5   MM 99.00 9999.0
"""
SWMP = """"StationCode","isSWMP","DateTimeStamp","Historical","ProvisionalPlus","F_Record","Temp","F_Temp","pH","F_pH"
"apacpwq","P","06/18/2021 00:00",0,1,"",28.1,"<0> ",8.1,"<-3> [GSM] (CSM)"
"apacpwq","P","06/18/2021 00:15",0,1,"",28.2,"<1> (CAF)",8.2,"<0> "
"""
FLUXNET = """TIMESTAMP_START,TIMESTAMP_END,TA_F,TA_F_QC
202106180000,202106180030,-9999,0
202106180030,202106180100,11.5,0
202106180100,202106180130,11.75,1
"""
PANGAEA = """/* DATA DESCRIPTION:
Citation:\tAn invented core
Parameter(s):\tDEPTH, sediment [m] (Depth)
*/
Depth [m]\tAge [ka BP]\td18O [per mil]
0.00\t1.2\t3.32
0.05\t1.5\t3.22
"""
PALEO = """# lake core 5
#----------------------------------------------------
#    World Data Service for Paleoclimatology, Boulder and NOAA Paleoclimatology Program
# Missing_Values: -999
##depth_cm\tdepth,,,cm,,,,,N
depth_cm\tage_calBP\tcharcoal
0.5\t10\t3.5
1.5\t30\t-999.0
2.5\t50\t4.5
"""
ERDDAP = """time,latitude,longitude,sst,sst_qc_agg
UTC,degrees_north,degrees_east,degree_C,
2021-06-18T00:00:00Z,27.5,-80.1,24.5,1
2021-06-18T01:00:00Z,27.5,-80.1,NaN,9
"""
GLEON = """DateTime\twtr_0\twtr_0.5
2021-06-18 00:00\t20.5\t20.1
2021-06-18 01:00\t20.25\t20.2
"""
EXCEL = """Messstelle Süd;;
Datum;Wasserstand;Güte
18.06.2021 00:00;1.299,5;gut
18.06.2021 01:00;999,25;gut
18.06.2021 02:00;#N/A;gut
"""
R_ROWS = """"","date","ph"
"1","2021-06-18",7.5
"2","2021-06-19",NA
"3","2021-06-20",7.25
"""
SPLIT = """Year,Month,Day,Hour,ph
2021,6,18,0,7.5
2021,6,18,1,7.25
"""
CLOCK = """Date,Time,ph
18/06/2021,00:00,7.5
18/06/2021,00:15,7.25
"""
ZONED = """date_time,tz,ph
2021-06-17 17:00,PDT,7.5
2021-06-17 18:00,PDT,7.25
"""
UNITS = """Date,ph,temp
,-,degC
2021-06-18 00:00,7.5,20
2021-06-18 01:00,7.25,21
"""
COMMENTED = """# buoy 5
#timestamp,ph
2021-06-18 00:00,7.5
2021-06-18 01:00,7.25
"""
DAY_OF_YEAR = """YEAR,DOY,HOUR,ph
2021,169,0,7.5
2021,169,1,7.25
"""
SWISS = """time;flow
2021-06-18 00:00;1'299,5
2021-06-18 01:00;999,25
"""
LONG = """DateTime,Site,Variable,Value
2021-06-18 00:00,A,pH,7.5
2021-06-18 00:00,A,DO,9
2021-06-18 01:00,A,pH,7.25
2021-06-18 01:00,A,DO,9
"""
PSL = """  2021    2022
 2021  20.5  20.25  21.0 22.0 23.0 24.0 25.0 26.0 27.0 28.0 29.0 30.0
 2022  21.5 -99.99 -99.99 -99.99 -99.99 -99.99 -99.99 -99.99 -99.99 -99.99 -99.99 -99.99
  -99.99
 An invented index
 units=degC
"""
CNV = """* Sea-Bird SBE 37SM-RS232 Data File:
* FileName = x.hex
# nquan = 3
# name 0 = timeY: Time, System [seconds]
# name 1 = tv290C: Temperature [ITS-90, deg C]
# name 2 = flag: flag
# start_time = Jun 18 2021 00:00:00
# bad_flag = -9.990e-29
*END*
 1623974400    12.5000  0.000e+00
 1623978000    12.2500  0.000e+00
 1623981600 -9.990e-29  0.000e+00
"""
DWD = """STATIONS_ID;MESS_DATUM;QN_9;TT_TU;RF_TU;eor
         44;2021061800;    3;   -999;  70.0;eor
         44;2021061801;    3;   18.3;  71.0;eor
         44;2021061802;    3;   18.1;  72.5;eor
"""
MONTHS = """Year,Jan,Feb,Mar,Apr,May,Jun,Jul,Aug,Sep,Oct,Nov,Dec,Annual
2021,20.5,20.25,,,,,,,,,,,20.4
2022,,,,,,,,,,,,,
"""
DIVER = """Data file for DataLogger.
==============================================================================
COMPANY=
DATE       :13/12/2021
FILENAME   :C:\\Diver\\W6152.MON
==========================    BEGINNING OF DATA     ==========================
[Logger settings]
  Instrument type          =Diver
  Serial number            =..02-W6152  317.

[Channel 1]
  Identification           =PRESSURE
  Reference level          =0.00  cmH2O
  Range                    =5000.00 cmH2O
  Master level             =0           cm

[Channel 2]
  Identification           =TEMPERATURE
  Reference level          =-20.00     °C
  Range                    =100.00      °C

[Series settings]
  Start date / time        =00:00:00 18/06/21

[Channel 1 from data header]
  Identification           =PRESSURE

[Data]
  2
2021/06/18 00:00:00.0     1039.5     18.38
2021/06/18 01:00:00.0     1039.25     18.37
END OF DATA FILE OF DATALOGGER FOR WINDOWS
"""
ODV = """//<Encoding>UTF-8</Encoding>
//SDN_parameter_mapping
Cruise\tStation\tType\tyyyy-mm-ddThh:mm:ss.sss\tLongitude [degrees_east]\tOxygen [umol/l]\tQV:SEADATANET\tSalinity [psu]\tQV:SEADATANET
C1\tS1\t*\t2021-06-18T00:00:00.000\t10.1\t300.5\t1\t18.1\t1
\t\t\t2021-06-18T01:00:00.000\t\t300.25\t1\t18.2\t1
"""  # noqa: E501
IBUTTON = """1-Wire/iButton Part Number: DS1922L-F5
1-Wire/iButton Registration Number: 3A00000053E1FD41
Sample Rate:  Every 3600 second(s)
Active Alarms:  

Date/Time,Unit,Value
06/18/21 12:00:00 AM,C,20.5
06/18/21 01:00:00 AM,C,20.25
"""  # noqa: W291
PERCENT = """Nr.;Datum;Uhrzeit;Feuchte
1;18.06.2021;00:00:00;80,1 %
2;18.06.2021;01:00:00;79,5 %
"""
DECIMAL_YEAR = """decimal_year,chl
2021.4603,7.5
2021.5425,7.25
2021.6274,7.0
"""
METOFFICE = """Armagh
Location: 287800E 352300N, Lat 54.352 Lon -6.649, 62 metres amsl
Estimated data is marked with a * after the value.
   yyyy  mm   tmax    tmin      af    rain     sun
              degC    degC    days      mm   hours
   2021   6    8.9*    ---       0    60.1    45.5#
   2021   7    9.25    3.1     ---    62.1    44.5#  Provisional
"""
ISDLITE = """2021 06 18 00    50    31 10135   320    26 -9999     0 -9999
2021 06 18 01    55   -44 10140    40    15     8 -9999 -9999
"""
BODC = """Port:              P038
Site:              Newlyn
Parameter code:    ASLVBG02 = Surface elevation
  Cycle    Date      Time    ASLVBG02   Residual
 Number yyyy mm dd hh mi ssf         f          f
     1) 2021/06/18 00:00:00     3.125     -0.015
     2) 2021/06/18 00:15:00     3.250M    -0.012
     3) 2021/06/18 00:30:00   -99.0000N  -99.0000N
"""
METEOFRANCE = """NUM_POSTE;NOM_USUEL;LAT;LON;ALTI;AAAAMMJJHH;RR1;QRR1;T;QT;FXY;QFXY;HXY;QHXY;TN;QTN;HTN;QHTN
01089001;AMBERIEU;45.97;5.32;250;2021061800;0.0;1;18.5;1;4.1;9;15;9;17.5;1;2345;9
01089001;AMBERIEU;45.97;5.32;250;2021061801;0.2;1;18.25;2;;;;;17.25;1;0015;9
"""
NRFA = """file,timestamp,2021-10-01T10:00:00
database,id,nrfa-public-31
station,id,39001
station,name,Brook at Mill
dataType,id,gdf
dataType,name,Gauged Daily Flow
dataType,parameter,Flow
dataType,units,m3/s
data,first,2021-06-18
data,last,2021-06-20
2021-06-18,4.5,
2021-06-19,4.25,E
2021-06-20,,M
"""
DECAGON = """EM123\tPort 1\tPort 1\tPort 2
3 records\t5TM\t5TM\tEC-5
Measurement Time\tm³/m³ VWC\t°C\tm³/m³ VWC
18.06.2021 00:00\t***\t18.5\t0.3
18.06.2021 01:00\t0.25\t18.25\t***
18.06.2021 02:00\t0.26\t18.0\t0.31
"""
SEABIRD = """* Sea-Bird SBE37SM-RS232 Data File:
* System UpLoad Time = Jul 14 2021 13:00:11
*END*
start time =  18 Jun 2021  00:00:00
start sample number = 1
  18.5000,  3.25000,   10.125, 18 Jun 2021, 00:00:00
  18.2500,  3.24000,   10.120, 18 Jun 2021, 00:10:00
"""
ELAPSED = """* Sea-Bird SBE 37 Data File:
# name 0 = timeJ: Julian Days
# name 1 = tv290C: Temperature [ITS-90, deg C]
# name 2 = flag: flag
# start_time = Jun 18 2021 00:00:00 [Instrument's time stamp, header]
# bad_flag = -9.990e-29
*END*
 169.000000    18.5000  0.000e+00
 169.006944    18.2500  0.000e+00
"""
RBR = """RBR TDR-2050 6.13 013045 (Windows: 6.13 - Logger: 6.80)
Logging start     21/06/18 00:00:00
Sample period               00:00:10
COMMENT: mooring

            Temp           Pres
         18.5000        10.1250
         18.2500        10.1200
"""
LVM = """LabVIEW Measurement\t
Separator\tTab
Decimal_Separator\t,
Date\t2021/06/17
Time\t23:59:59,5
***End_of_Header***\t
\t
Channels\t2\t\t
Date\t2021/06/18\t2021/06/18\t
Time\t00:00:00\t00:00:00\t
X0\t0,0E+0\t0,0E+0\t
Delta_X\t1,5E+0\t1,5E+0\t
***End_of_Header***\t\t\t
X_Value\tLevel\tTemp\tComment
0,000000\t7,5\t18,5\tbegun
1,500000\t7,25\t18,25\t
"""
DAVIS = """\t\tTemp\tHi\tOut\tWind
Date\tTime\tOut\tTemp\tHum\tDir
6/18/21\t12:00a\t18.5\t19.0\t80\tNW
6/18/21\t12:30a\t18.25\t---\t81\tNW
"""
SPECIMENS = {
    "meteofrance": Specimen(
        METEOFRANCE,
        ("01089001/FXY", "01089001/RR1", "01089001/T", "01089001/TN"),
        FIRST,
        (4.1,),
    ),
    "nrfa": Specimen(NRFA, ("Flow (m3/s)",), FIRST, (4.5, 4.25)),
    "davis": Specimen(DAVIS, ("Hi Temp", "Out Hum", "Temp Out"), FIRST, (19.0,)),
    "toa5": Specimen(TOA5, ("AirT_C(42)", "BattV"), "2021-06-18T01:00:00", (18.27, 18.29)),
    "hobo": Specimen(HOBO, ("Temp, °C (LGR S/N: 1)",), FIRST, (20.1, 20.2)),
    "rdb": Specimen(RDB, ("04085427/170_00060",), FIRST, (320.0, 322.0)),
    "ndbc": Specimen(NDBC, ("GST", "PRES", "WDIR", "WSPD"), FIRST, (6.0,)),
    "swmp": Specimen(SWMP, ("apacpwq/Temp", "apacpwq/pH"), FIRST, (28.1,)),
    "fluxnet": Specimen(FLUXNET, ("TA_F",), "2021-06-18T00:30:00", (11.5, 11.75)),
    "pangaea": Specimen(PANGAEA, ("d18O [per mil]",), "-1.5", (3.22, 3.32)),
    "paleo": Specimen(PALEO, ("charcoal",), "-50.0", (4.5, 3.5)),
    "erddap": Specimen(ERDDAP, ("sst",), FIRST, (24.5,)),
    "gleon": Specimen(GLEON, ("wtr_0", "wtr_0.5"), FIRST, (20.5, 20.25)),
    "cnv": Specimen(CNV, ("Temperature [ITS-90, deg C]",), FIRST, (12.5, 12.25)),
    "dwd": Specimen(DWD, ("44/RF_TU", "44/TT_TU"), FIRST, (70.0, 71.0, 72.5)),
    "diver": Specimen(DIVER, ("PRESSURE [cmH2O]", "TEMPERATURE [°C]"), FIRST, (1039.5, 1039.25), "latin-1"),
    "odv": Specimen(ODV, ("Oxygen [umol/l]", "Salinity [psu]"), FIRST, (300.5, 300.25)),
    "ibutton": Specimen(IBUTTON, ("Value",), FIRST, (20.5, 20.25)),
    "plain-percent": Specimen(PERCENT, ("Feuchte",), FIRST, (80.1, 79.5), "cp1252"),
    "plain-decimal-year": Specimen(DECIMAL_YEAR, ("chl",), "2021-06-18T00:00:00", (7.5, 7.25, 7.0)),
    "metoffice": Specimen(
        METOFFICE,
        ("af [days]", "rain [mm]", "sun [hours]", "tmax [degC]", "tmin [degC]"),
        "2021-06-01T00:00:00",
        (0.0,),
    ),
    "isdlite": Specimen(
        ISDLITE,
        (
            "air temperature [°C/10]",
            "dew point [°C/10]",
            "rain of 1 h [mm/10]",
            "sea level pressure [hPa/10]",
            "sky cover",
            "wind direction [°]",
            "wind speed [m/s/10]",
        ),
        FIRST,
        (50.0, 55.0),
    ),
    "bodc": Specimen(BODC, ("ASLVBG02", "Residual"), FIRST, (3.125, 3.25)),
    "decagon": Specimen(
        DECAGON,
        ("Port 1 5TM [m³/m³ VWC]", "Port 1 5TM [°C]", "Port 2 EC-5 [m³/m³ VWC]"),
        "2021-06-18T01:00:00",
        (0.25, 0.26),
        "cp1252",
    ),
    "cnv-ascii": Specimen(SEABIRD, ("column 3", "conductivity", "temperature"), FIRST, (10.125, 10.12)),
    "cnv-elapsed": Specimen(ELAPSED, ("Temperature [ITS-90, deg C]",), FIRST, (18.5, 18.25)),
    "rbr": Specimen(RBR, ("Pres", "Temp"), FIRST, (10.125, 10.12)),
    "rbr-dated": Specimen(
        RBR.replace("            Temp", "Date & Time   Temp")
        .replace("\n         18", "\n2021/06/18 00:00:00  18", 1)
        .replace("\n         18", "\n2021/06/18 00:00:10  18"),
        ("Pres", "Temp"),
        FIRST,
        (10.125, 10.12),
    ),
    "lvm": Specimen(LVM, ("Level", "Temp"), FIRST, (7.5, 7.25)),
    "lvm-steps": Specimen(LVM.replace("0,000000", "").replace("1,500000", ""), ("Level", "Temp"), FIRST, (7.5, 7.25)),
    "psl": Specimen(PSL, ("value",), "2021-01-01T00:00:00", (20.5, 20.25, *map(float, range(21, 31)), 21.5)),
    "plain-months": Specimen(MONTHS, ("value",), "2021-01-01T00:00:00", (20.5, 20.25)),
    "plain-excel": Specimen(EXCEL, ("Wasserstand",), FIRST, (1299.5, 999.25), "cp1252"),
    "plain-r": Specimen(R_ROWS, ("ph",), FIRST, (7.5, 7.25)),
    "plain-split": Specimen(SPLIT, ("ph",), FIRST, (7.5, 7.25)),
    "plain-zone": Specimen(ZONED, ("ph",), FIRST, (7.5, 7.25)),
    "plain-units": Specimen(UNITS, ("ph", "temp"), FIRST, (7.5, 7.25)),
    "plain-commented": Specimen(COMMENTED, ("ph",), FIRST, (7.5, 7.25)),
    "plain-day-of-year": Specimen(DAY_OF_YEAR, ("ph",), FIRST, (7.5, 7.25)),
    "plain-swiss": Specimen(SWISS, ("flow",), FIRST, (1299.5, 999.25)),
    "plain-long": Specimen(LONG, ("A/DO", "A/pH"), FIRST, (9.0, 9.0)),
    "plain-clock": Specimen(CLOCK, ("ph",), FIRST, (7.5, 7.25)),
}
